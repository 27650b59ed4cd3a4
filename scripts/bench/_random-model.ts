/**
 * A model folder of the true shapes with random weights, streamed to disk: what memory a run takes does not depend on the numbers.
 */
import { cpSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT } from '../_setup.ts'
import { createRandom } from '../../core/mod.ts'
import { numberToBf16 } from '../../core/tensor/dtype.ts'
import { type TensorSource, writeSharded } from '../../core/files/safetensors-write.ts'

/** Sizes of a llama, as config.json names them. */
export interface LlamaShape {
  readonly hidden_size: number
  readonly intermediate_size: number
  readonly num_hidden_layers: number
  readonly num_attention_heads: number
  readonly num_key_value_heads: number
  readonly vocab_size: number
  readonly tie_word_embeddings: boolean
}

/** Of SmolLM2-135M. */
export const SMOLLM2: LlamaShape = {
  hidden_size: 576,
  intermediate_size: 1536,
  num_hidden_layers: 30,
  num_attention_heads: 9,
  num_key_value_heads: 3,
  vocab_size: 49152,
  tie_word_embeddings: true,
}

/** Writes config.json, a tokenizer and bf16 weights in shards of 5 GB. */
export function writeRandomModel(folder: string, shape: LlamaShape): void {
  mkdirSync(folder, { recursive: true })
  const config = {
    architectures: ['LlamaForCausalLM'],
    model_type: 'llama',
    ...shape,
    max_position_embeddings: 32768,
    rms_norm_eps: 1e-5,
    rope_theta: 500000,
    torch_dtype: 'bfloat16',
  }
  writeFileSync(join(folder, 'config.json'), JSON.stringify(config, null, 2))
  for (const name of ['tokenizer.json', 'tokenizer_config.json'])
    cpSync(join(ROOT, 'tests/golden/tokenizer/digits', name), join(folder, name))
  writeSharded(folder, sources(shape), { maxShardBytes: 5e9 })
}

/** Bytes of the weights that `writeRandomModel()` writes. */
export function randomModelBytes(shape: LlamaShape): number {
  return [...sources(shape)].reduce((sum, { shape: [rows, cols = 1] }) => sum + 2 * rows * cols, 0)
}

// ---- helpers ----------------------------------------------------------------------------------------------------

const POOL = 1 << 22
/** A large odd step, so that no two tensors begin alike. */
const STEP = 1_234_577

function* sources(shape: LlamaShape): Generator<TensorSource> {
  const { hidden_size: hidden, intermediate_size: mlp, num_hidden_layers: layers, vocab_size: vocab } = shape
  const kv = (hidden * shape.num_key_value_heads) / shape.num_attention_heads
  const random = createRandom(1, 'bench/weights')
  const pool = Uint16Array.from({ length: POOL }, () => numberToBf16(0.02 * random.normal()))
  const ones = new Uint16Array(hidden).fill(numberToBf16(1))
  let count = 0
  const matrix = (name: string, rows: number, cols: number): TensorSource => {
    const start = (count++ * STEP) % POOL
    return { name, dtype: 'bf16', shape: [rows, cols], chunks: () => drawn(pool, start, rows * cols) }
  }
  const norm = (name: string): TensorSource => ({
    name,
    dtype: 'bf16',
    shape: [hidden],
    chunks: () => [new Uint8Array(ones.buffer)],
  })
  yield matrix('model.embed_tokens.weight', vocab, hidden)
  for (let i = 0; i < layers; i++) {
    const path = `model.layers.${i}`
    yield norm(`${path}.input_layernorm.weight`)
    yield matrix(`${path}.self_attn.q_proj.weight`, hidden, hidden)
    yield matrix(`${path}.self_attn.k_proj.weight`, kv, hidden)
    yield matrix(`${path}.self_attn.v_proj.weight`, kv, hidden)
    yield matrix(`${path}.self_attn.o_proj.weight`, hidden, hidden)
    yield norm(`${path}.post_attention_layernorm.weight`)
    yield matrix(`${path}.mlp.gate_proj.weight`, mlp, hidden)
    yield matrix(`${path}.mlp.up_proj.weight`, mlp, hidden)
    yield matrix(`${path}.mlp.down_proj.weight`, hidden, mlp)
  }
  yield norm('model.norm.weight')
  if (!shape.tie_word_embeddings) yield matrix('lm_head.weight', vocab, hidden)
}

/** Round the pool from `start` on. */
function* drawn(pool: Uint16Array, start: number, length: number): Generator<Uint8Array> {
  for (let done = 0; done < length;) {
    const from = (start + done) % pool.length
    const count = Math.min(pool.length - from, length - done)
    yield new Uint8Array(pool.buffer, 2 * from, 2 * count)
    done += count
  }
}
