/**
 * A GGUF file seen as a Hugging Face model: its config.json as an object and its weights under HF names, in HF layout.
 * Architectures: llama (mistral files call themselves llama too), qwen2, qwen3, dense. Not a converter: nothing is written.
 * Names: gguf-py/gguf/tensor_mapping.py. Permutation of q and k: `LlamaModel.permute` of convert_hf_to_gguf.py.
 */

import { TrituneError } from '../../core/errors.ts'
import { dequantize } from './dequantize.ts'
import type { GgufFile, GgufTensor } from './read.ts'
import { ggufNumber, ggufString } from './read.ts'
import type { RowRange } from './tensor.ts'
import { readGgufRows, readGgufTensor, rowElements } from './tensor.ts'

/** The values that tritune's models read; `rope_freq_factors` is tritune's own. */
export interface GgufHfConfig {
  readonly architectures: readonly string[]
  readonly model_type: 'llama' | 'qwen2' | 'qwen3'
  readonly vocab_size: number
  readonly hidden_size: number
  readonly intermediate_size: number
  readonly num_hidden_layers: number
  readonly num_attention_heads: number
  readonly num_key_value_heads: number
  readonly head_dim: number
  readonly max_position_embeddings: number
  readonly hidden_act: 'silu'
  readonly rms_norm_eps: number
  readonly rope_theta: number
  readonly rope_scaling: Readonly<Record<string, string | number>> | null
  /** Divisors of the rotary frequencies (head_dim/2), from `rope_freqs.weight`; llama 3.1 and later have them. */
  readonly rope_freq_factors?: readonly number[]
  readonly sliding_window?: number
  readonly attention_bias: boolean
  readonly mlp_bias: boolean
  readonly tie_word_embeddings: boolean
  readonly bos_token_id?: number
  readonly eos_token_id?: number
  readonly pad_token_id?: number
  readonly torch_dtype: 'float32'
}

/** One weight of a GGUF file, under the name and in the layout of its Hugging Face checkpoint. */
export interface GgufHfTensor {
  /** HF name, `model.layers.0.self_attn.q_proj.weight`. */
  readonly name: string
  /** (out, in) or (size), row-major. */
  readonly shape: readonly number[]
  /** How the file stores it (`Q4_1`…). */
  readonly storedType: string
  /** Decodes rows, by default all, in HF order. */
  read(range?: RowRange): Float32Array
}

/** A GGUF file as a Hugging Face model: config.json, and weights that are decoded when they are read. */
export interface GgufHfModel {
  readonly config: GgufHfConfig
  /** In the order of the file. */
  readonly tensors: ReadonlyMap<string, GgufHfTensor>
}

/**
 * Sees a GGUF file as a Hugging Face model. Throws E_UNSUPPORTED for other architectures than llama, qwen2 and qwen3
 * and for mixtures of experts, E_FORMAT when the file contradicts itself.
 *
 * @throws E_UNSUPPORTED for other architectures, mixtures of experts and partial rotation; E_FORMAT when a tensor or a
 * key is missing or has the wrong shape
 * @example
 * ```ts
 * import { ggufToHf, openGguf } from 'tritune/plugins/gguf'
 *
 * const { config, tensors } = ggufToHf(openGguf('my-model.gguf'))
 * const query = tensors.get('model.layers.0.self_attn.q_proj.weight')
 * console.log(config.model_type, query?.read({ rowStart: 0, rowCount: 1 }).length === query?.shape[1]) // → llama true
 * ```
 */
export function ggufToHf(file: GgufFile): GgufHfModel {
  const architecture = ggufString(file, 'general.architecture')
  const family = FAMILIES[architecture]
  if (family === undefined) {
    throw new TrituneError('E_UNSUPPORTED', `the architecture "${architecture}" is not supported`, {
      place: file.path,
      remedy: `supported: ${Object.keys(FAMILIES).join(', ')}; or use the safetensors files of the model`,
    })
  }
  if (
    file.metadata.has(`${architecture}.expert_count`) &&
    ggufNumber(file, `${architecture}.expert_count`) > 0
  ) {
    throw new TrituneError('E_UNSUPPORTED', 'mixtures of experts are not supported', { place: file.path })
  }
  const config = readConfig(file, architecture, family.modelType)
  const tensors = new Map<string, GgufHfTensor>()
  for (const tensor of file.tensors.values()) {
    const name = hfName(tensor.name)
    if (name === undefined) continue
    tensors.set(
      name,
      hfTensor(file, tensor, name, family.permuted ? headsOf(tensor.name, config) : undefined),
    )
  }
  checkTensors(file, config, tensors)
  return { config, tensors }
}

const FAMILIES: Readonly<
  Record<string, { modelType: GgufHfConfig['model_type']; permuted: boolean } | undefined>
> = {
  llama: { modelType: 'llama', permuted: true },
  mistral: { modelType: 'llama', permuted: true },
  qwen2: { modelType: 'qwen2', permuted: false },
  qwen3: { modelType: 'qwen3', permuted: false },
}

const ARCHITECTURES: Readonly<Record<GgufHfConfig['model_type'], string>> = {
  llama: 'LlamaForCausalLM',
  qwen2: 'Qwen2ForCausalLM',
  qwen3: 'Qwen3ForCausalLM',
}

const OUTER_NAMES: Readonly<Record<string, string | undefined>> = {
  token_embd: 'model.embed_tokens',
  output_norm: 'model.norm',
  output: 'lm_head',
}

const LAYER_NAMES: Readonly<Record<string, string | undefined>> = {
  attn_norm: 'input_layernorm',
  attn_q: 'self_attn.q_proj',
  attn_k: 'self_attn.k_proj',
  attn_v: 'self_attn.v_proj',
  attn_output: 'self_attn.o_proj',
  attn_q_norm: 'self_attn.q_norm',
  attn_k_norm: 'self_attn.k_norm',
  ffn_norm: 'post_attention_layernorm',
  ffn_gate: 'mlp.gate_proj',
  ffn_up: 'mlp.up_proj',
  ffn_down: 'mlp.down_proj',
}

function hfName(name: string): string | undefined {
  if (name === 'rope_freqs.weight') return undefined
  const layer = /^blk\.(\d+)\.(\w+)\.(weight|bias)$/.exec(name)
  if (layer !== null) {
    const inner = LAYER_NAMES[layer[2]]
    if (inner !== undefined) return `model.layers.${layer[1]}.${inner}.${layer[3]}`
  }
  const outer = /^(\w+)\.(weight|bias)$/.exec(name)
  if (outer !== null) {
    const inner = OUTER_NAMES[outer[1]]
    if (inner !== undefined) return `${inner}.${outer[2]}`
  }
  throw new TrituneError('E_UNSUPPORTED', `the tensor "${name}" belongs to no supported architecture`)
}

function readConfig(
  file: GgufFile,
  architecture: string,
  modelType: GgufHfConfig['model_type'],
): GgufHfConfig {
  const number = (key: string, fallback?: number): number =>
    ggufNumber(file, `${architecture}.${key}`, fallback)
  const hidden = number('embedding_length')
  const heads = number('attention.head_count')
  const headDim = number('attention.key_length', hidden / heads)
  const rotated = number('rope.dimension_count', headDim)
  if (rotated !== headDim || number('attention.value_length', headDim) !== headDim) {
    throw new TrituneError(
      'E_UNSUPPORTED',
      `heads of ${headDim} of which ${rotated} are rotated are not supported`,
      {
        place: file.path,
      },
    )
  }
  const window = number('attention.sliding_window', 0)
  const factors = file.tensors.get('rope_freqs.weight')
  const token = (key: string): number | undefined =>
    file.metadata.has(`tokenizer.ggml.${key}`) ? ggufNumber(file, `tokenizer.ggml.${key}`) : undefined
  return {
    architectures: [ARCHITECTURES[modelType]],
    model_type: modelType,
    vocab_size: file.tensors.get('token_embd.weight')?.shape[0] ?? number('vocab_size'),
    hidden_size: hidden,
    intermediate_size: number('feed_forward_length'),
    num_hidden_layers: number('block_count'),
    num_attention_heads: heads,
    num_key_value_heads: number('attention.head_count_kv', heads),
    head_dim: headDim,
    max_position_embeddings: number('context_length'),
    hidden_act: 'silu',
    rms_norm_eps: shortestFloat(number('attention.layer_norm_rms_epsilon')),
    rope_theta: number('rope.freq_base', 10000),
    rope_scaling: readRopeScaling(file, architecture),
    ...(factors === undefined ? {} : { rope_freq_factors: [...readGgufTensor(file, factors)] }),
    ...(window > 0 ? { sliding_window: window } : {}),
    attention_bias: file.tensors.has('blk.0.attn_q.bias'),
    mlp_bias: file.tensors.has('blk.0.ffn_up.bias'),
    tie_word_embeddings: !file.tensors.has('output.weight'),
    bos_token_id: token('bos_token_id'),
    eos_token_id: token('eos_token_id'),
    pad_token_id: token('padding_token_id'),
    torch_dtype: 'float32',
  }
}

function readRopeScaling(file: GgufFile, architecture: string): Record<string, string | number> | null {
  const prefix = `${architecture}.rope.scaling`
  const type = ggufString(file, `${prefix}.type`, 'none')
  if (type === 'none') {
    const linear = ggufNumber(file, `${architecture}.rope.scale_linear`, 1)
    return linear === 1 ? null : { rope_type: 'linear', factor: linear }
  }
  if (type !== 'linear' && type !== 'yarn') {
    throw new TrituneError('E_UNSUPPORTED', `rope scaling "${type}" is not supported`, { place: file.path })
  }
  const scaling: Record<string, string | number> = {
    rope_type: type,
    factor: ggufNumber(file, `${prefix}.factor`),
  }
  if (file.metadata.has(`${prefix}.original_context_length`)) {
    scaling['original_max_position_embeddings'] = ggufNumber(file, `${prefix}.original_context_length`)
  }
  return scaling
}

/** Heads by which the rows of a permuted tensor are interleaved. */
function headsOf(name: string, config: GgufHfConfig): number | undefined {
  if (/\.attn_q\.(weight|bias)$/.test(name)) return config.num_attention_heads
  if (/\.attn_k\.(weight|bias)$/.test(name)) return config.num_key_value_heads
  return undefined
}

function hfTensor(file: GgufFile, tensor: GgufTensor, name: string, heads: number | undefined): GgufHfTensor {
  return {
    name,
    shape: tensor.shape,
    storedType: tensor.type.name,
    read: (range = {}) =>
      heads === undefined ? readGgufTensor(file, tensor, range) : readPermuted(file, tensor, heads, range),
  }
}

/**
 * Reads rows of a q or k projection back in HF order. Within a head of 2·half rows, HF row part·half + i is the file's
 * row 2·i + part: llama.cpp rotates neighbours where transformers rotates halves.
 */
function readPermuted(file: GgufFile, tensor: GgufTensor, heads: number, range: RowRange): Float32Array {
  const rows = tensor.shape[0]
  const columns = rowElements(tensor.shape)
  const headRows = rows / heads
  const half = headRows / 2
  const start = range.rowStart ?? 0
  const count = range.rowCount ?? rows - start
  const firstHead = Math.floor(start / headRows)
  const lastHead = Math.ceil((start + count) / headRows)
  const source = { rowStart: firstHead * headRows, rowCount: (lastHead - firstHead) * headRows }
  const bytes = readGgufRows(file, tensor, source)
  const rowBytes = bytes.length / source.rowCount
  const out = new Float32Array(count * columns)
  const place = `${file.path}: tensor "${tensor.name}"`
  for (let r = 0; r < count; r++) {
    const inHead = (start + r) % headRows
    const head = start + r - inHead
    const from = head + 2 * (inHead % half) + Math.floor(inHead / half) - source.rowStart
    const row = bytes.subarray(from * rowBytes, (from + 1) * rowBytes)
    dequantize(tensor.type, row, out.subarray(r * columns, (r + 1) * columns), place)
  }
  return out
}

/** Every weight of every layer must be there and have the shape that the config implies. */
function checkTensors(
  file: GgufFile,
  config: GgufHfConfig,
  tensors: ReadonlyMap<string, GgufHfTensor>,
): void {
  for (const [name, shape] of expectedShapes(config)) {
    const tensor = tensors.get(name)
    if (tensor === undefined)
      throw new TrituneError('E_FORMAT', `the weight ${name} is missing`, { place: file.path })
    if (tensor.shape.join() !== shape.join()) {
      throw new TrituneError('E_FORMAT', `${name} has shape [${tensor.shape}], expected [${shape}]`, {
        place: file.path,
      })
    }
  }
}

function* expectedShapes(config: GgufHfConfig): Generator<[name: string, shape: number[]]> {
  const { hidden_size: hidden, intermediate_size: inner, head_dim: headDim } = config
  const q = config.num_attention_heads * headDim
  const kv = config.num_key_value_heads * headDim
  yield ['model.embed_tokens.weight', [config.vocab_size, hidden]]
  for (let i = 0; i < config.num_hidden_layers; i++) {
    const layer = `model.layers.${i}`
    yield [`${layer}.input_layernorm.weight`, [hidden]]
    yield [`${layer}.self_attn.q_proj.weight`, [q, hidden]]
    yield [`${layer}.self_attn.k_proj.weight`, [kv, hidden]]
    yield [`${layer}.self_attn.v_proj.weight`, [kv, hidden]]
    yield [`${layer}.self_attn.o_proj.weight`, [hidden, q]]
    if (config.attention_bias || config.model_type === 'qwen2') {
      yield [`${layer}.self_attn.q_proj.bias`, [q]]
      yield [`${layer}.self_attn.k_proj.bias`, [kv]]
      yield [`${layer}.self_attn.v_proj.bias`, [kv]]
    }
    if (config.model_type === 'qwen3') {
      yield [`${layer}.self_attn.q_norm.weight`, [headDim]]
      yield [`${layer}.self_attn.k_norm.weight`, [headDim]]
    }
    yield [`${layer}.post_attention_layernorm.weight`, [hidden]]
    yield [`${layer}.mlp.gate_proj.weight`, [inner, hidden]]
    yield [`${layer}.mlp.up_proj.weight`, [inner, hidden]]
    yield [`${layer}.mlp.down_proj.weight`, [hidden, inner]]
  }
  yield ['model.norm.weight', [hidden]]
  if (!config.tie_word_embeddings) yield ['lm_head.weight', [config.vocab_size, hidden]]
}

/** The shortest decimal that is the same float32: 9.999999747378752e-6 → 1e-5. */
function shortestFloat(value: number): number {
  for (let digits = 1; digits <= 9; digits++) {
    const candidate = Number(value.toPrecision(digits))
    if (Math.fround(candidate) === Math.fround(value)) return candidate
  }
  return value
}
