/**
 * Model folders for tests: tiny random ones with a tokenizer, and copies of golden ones that are damaged on purpose.
 */
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Checkpoint, openCheckpoint } from '../core/files/checkpoint.ts'
import { createRandom } from '../core/tensor/random.ts'
import { tensorDType } from '../core/files/safetensors.ts'
import { type TensorSource, writeSafetensors } from '../core/files/safetensors-write.ts'
import { GOLDEN } from './_golden.ts'

type ConfigJson = Readonly<Record<string, unknown>>

/** Tokens of tests/golden/tokenizer/digits, rounded up. */
export const TINY_VOCABULARY = 424

const TINY: ConfigJson = {
  architectures: ['LlamaForCausalLM'],
  model_type: 'llama',
  vocab_size: TINY_VOCABULARY,
  hidden_size: 32,
  intermediate_size: 48,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  max_position_embeddings: 256,
  rms_norm_eps: 1e-5,
  tie_word_embeddings: true,
  dtype: 'float32',
}

/** A llama of two layers with random weights and a byte-level tokenizer. */
export function writeTinyModel(folder: string, changes: ConfigJson = {}): void {
  const config = { ...TINY, ...changes }
  const [vocab, hidden, mlp, layers] = [
    Number(config.vocab_size),
    Number(config.hidden_size),
    Number(config.intermediate_size),
    Number(config.num_hidden_layers),
  ]
  const kv = (hidden * Number(config.num_key_value_heads)) / Number(config.num_attention_heads)
  const shapes: [string, number[]][] = [
    ['model.embed_tokens.weight', [vocab, hidden]],
    ['model.norm.weight', [hidden]],
  ]
  for (let i = 0; i < layers; i++) {
    const path = `model.layers.${i}`
    shapes.push(
      [`${path}.input_layernorm.weight`, [hidden]],
      [`${path}.self_attn.q_proj.weight`, [hidden, hidden]],
      [`${path}.self_attn.k_proj.weight`, [kv, hidden]],
      [`${path}.self_attn.v_proj.weight`, [kv, hidden]],
      [`${path}.self_attn.o_proj.weight`, [hidden, hidden]],
      [`${path}.post_attention_layernorm.weight`, [hidden]],
      [`${path}.mlp.gate_proj.weight`, [mlp, hidden]],
      [`${path}.mlp.up_proj.weight`, [mlp, hidden]],
      [`${path}.mlp.down_proj.weight`, [hidden, mlp]],
    )
  }
  if (config.tie_word_embeddings === false) shapes.push(['lm_head.weight', [vocab, hidden]])
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'config.json'), JSON.stringify(config, null, 2))
  writeSafetensors(
    join(folder, 'model.safetensors'),
    shapes.map(([name, shape]) => floatSource(name, shape, randomWeights(name, shape))),
    { format: 'pt' },
  )
  for (const file of ['tokenizer.json', 'tokenizer_config.json', 'chat_template.jinja'])
    cpSync(join(GOLDEN, 'tokenizer/digits', file), join(folder, file))
}

function randomWeights(name: string, shape: readonly number[]): Float32Array<ArrayBuffer> {
  const random = createRandom(7, name)
  const length = shape.reduce((a, b) => a * b, 1)
  return Float32Array.from({ length }, () => (shape.length === 1 ? 1 : 0) + 0.1 * random.normal())
}

function floatSource(
  name: string,
  shape: readonly number[],
  values: Float32Array<ArrayBuffer>,
): TensorSource {
  return { name, dtype: 'f32', shape, chunks: () => [new Uint8Array(values.buffer)] }
}

export interface Damage {
  readonly config?: ConfigJson
  /** Gives another tensor, or null to leave it out. */
  tensor?(source: EditableTensor): EditableTensor | null
  /** Changes the finished weights file. */
  file?(bytes: Uint8Array<ArrayBuffer>): Uint8Array
}

export interface EditableTensor {
  readonly name: string
  readonly shape: readonly number[]
  readonly values: Float32Array<ArrayBuffer>
}

/** Copies a model or adapter folder with f32 weights, changed. */
export function writeDamaged(from: string, folder: string, { config, tensor, file }: Damage): void {
  cpSync(from, folder, { recursive: true })
  const isAdapter = !from.includes('/models/') && from.includes('adapter')
  const configPath = join(folder, isAdapter ? 'adapter_config.json' : 'config.json')
  const weightsPath = join(folder, isAdapter ? 'adapter_model.safetensors' : 'model.safetensors')
  if (config) {
    const now: ConfigJson = JSON.parse(readFileSync(configPath, 'utf8'))
    writeFileSync(configPath, JSON.stringify({ ...now, ...config }))
  }
  if (tensor) {
    const tensors = editableTensors(openCheckpoint(join(from, weightsPath.slice(folder.length)))).flatMap(
      (source) => tensor(source) ?? [],
    )
    writeSafetensors(
      weightsPath,
      tensors.map(({ name, shape, values }) => floatSource(name, shape, values)),
      { format: 'pt' },
    )
  }
  if (file) writeFileSync(weightsPath, file(new Uint8Array(readFileSync(weightsPath))))
}

function editableTensors(checkpoint: Checkpoint): EditableTensor[] {
  return [...checkpoint.entries.values()].map((entry) => {
    if (tensorDType(entry) !== 'f32') throw new Error(`${entry.name} is not f32`)
    return {
      name: entry.name,
      shape: entry.shape,
      values: new Float32Array(Uint8Array.from(checkpoint.read(entry)).buffer),
    }
  })
}
