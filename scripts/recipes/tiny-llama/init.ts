/**
 * A Llama with random weights as a Hugging Face folder: what pretraining starts from.
 *
 * Normal(0, 0.02), the projections that write to the residual stream divided by √(2 · layers) as in GPT-2 (Radford et
 * al. 2019), norms 1. The tokenizer is not written here.
 */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { writeFileAtomic } from '../../../core/files/atomic.ts'
import { numberToBf16 } from '../../../core/tensor/dtype.ts'
import { createRandom } from '../../../core/tensor/random.ts'
import { type TensorSource, writeSharded } from '../../../core/files/safetensors-write.ts'

export interface LlamaSize {
  readonly vocabSize: number
  readonly hidden: number
  readonly layers: number
  readonly heads: number
  readonly keyValueHeads: number
  readonly headDim: number
  /** Width of the MLP. */
  readonly intermediate: number
  readonly context: number
}

/** 4.0 M parameters, 8 MB in bf16. Widths are multiples of 64, which the matrix kernels like. */
export const TINY: LlamaSize = {
  vocabSize: 4096,
  hidden: 256,
  layers: 4,
  heads: 4,
  keyValueHeads: 2,
  headDim: 64,
  intermediate: 704,
  context: 512,
}

/** Ids of the special tokens: those of `tokenizer-files.ts`. */
export interface SpecialIds {
  readonly end: number
  readonly pad: number
}

/** Writes config.json, generation_config.json and model.safetensors (bf16). */
export function writeRandomLlama(
  folder: string,
  size: LlamaSize,
  { seed, end, pad }: SpecialIds & { seed: number },
): void {
  mkdirSync(folder, { recursive: true })
  writeFileAtomic(join(folder, 'config.json'), json(llamaConfig(size, { end, pad })))
  const tokens = { bos_token_id: end, eos_token_id: end, pad_token_id: pad }
  writeFileAtomic(
    join(folder, 'generation_config.json'),
    json({ ...tokens, do_sample: true, temperature: 0.7, top_p: 0.9 }),
  )
  writeSharded(folder, randomWeights(size, seed))
}

export function llamaConfig(size: LlamaSize, { end, pad }: SpecialIds): Record<string, unknown> {
  return {
    architectures: ['LlamaForCausalLM'],
    model_type: 'llama',
    vocab_size: size.vocabSize,
    hidden_size: size.hidden,
    intermediate_size: size.intermediate,
    num_hidden_layers: size.layers,
    num_attention_heads: size.heads,
    num_key_value_heads: size.keyValueHeads,
    head_dim: size.headDim,
    max_position_embeddings: size.context,
    hidden_act: 'silu',
    rms_norm_eps: 1e-5,
    rope_theta: 10000,
    attention_bias: false,
    mlp_bias: false,
    tie_word_embeddings: true,
    initializer_range: STD,
    bos_token_id: end,
    eos_token_id: end,
    pad_token_id: pad,
    use_cache: true,
    torch_dtype: 'bfloat16',
  }
}

const STD = 0.02
const ONE = numberToBf16(1)

function randomWeights(size: LlamaSize, seed: number): TensorSource[] {
  const { hidden, layers, heads, keyValueHeads, headDim, intermediate } = size
  const residual = STD / Math.sqrt(2 * layers)
  const normal = (name: string, shape: readonly [number, number], std: number = STD): TensorSource => ({
    name,
    dtype: 'bf16',
    shape,
    *chunks() {
      const random = createRandom(seed, name)
      const bits = Uint16Array.from({ length: shape[0] * shape[1] }, () =>
        numberToBf16(std * random.normal()),
      )
      yield new Uint8Array(bits.buffer)
    },
  })
  const norm = (name: string): TensorSource => ({
    name,
    dtype: 'bf16',
    shape: [hidden],
    *chunks() {
      yield new Uint8Array(new Uint16Array(hidden).fill(ONE).buffer)
    },
  })
  const blocks = Array.from({ length: layers }, (_, i) => {
    const block = `model.layers.${i}`
    return [
      norm(`${block}.input_layernorm.weight`),
      normal(`${block}.self_attn.q_proj.weight`, [heads * headDim, hidden]),
      normal(`${block}.self_attn.k_proj.weight`, [keyValueHeads * headDim, hidden]),
      normal(`${block}.self_attn.v_proj.weight`, [keyValueHeads * headDim, hidden]),
      normal(`${block}.self_attn.o_proj.weight`, [hidden, heads * headDim], residual),
      norm(`${block}.post_attention_layernorm.weight`),
      normal(`${block}.mlp.gate_proj.weight`, [intermediate, hidden]),
      normal(`${block}.mlp.up_proj.weight`, [intermediate, hidden]),
      normal(`${block}.mlp.down_proj.weight`, [hidden, intermediate], residual),
    ]
  })
  return [
    normal('model.embed_tokens.weight', [size.vocabSize, hidden]),
    ...blocks.flat(),
    norm('model.norm.weight'),
  ]
}

function json(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`
}
