/**
 * The config.json that a GGUF file's metadata stands for.
 */
import { TrituneError } from '../../core/errors.ts'
import type { GgufFamily, GgufModelType } from './families/family.ts'
import { type Json, type OwnReader, shortestFloat } from './families/own-keys.ts'
import { GGUF_FAMILIES } from './families/table.ts'
import type { GgufFile } from './read.ts'
import { ggufBoolean, ggufNumber, ggufString } from './read.ts'
import { readGgufTensor } from './tensor.ts'

interface SharedConfig {
  readonly architectures: readonly string[]
  readonly vocab_size: number
  readonly tie_word_embeddings: boolean
  readonly bos_token_id?: number
  readonly eos_token_id?: number
  readonly pad_token_id?: number
  readonly torch_dtype: 'float32'
}

/** Of decoders: the values that tritune's models read; `rope_freq_factors` is tritune's own. Families have fields of their own beside these. */
export interface GgufDecoderConfig extends SharedConfig {
  readonly model_type: Exclude<GgufModelType, 'gpt2'>
  readonly hidden_size: number
  readonly intermediate_size: number
  readonly num_hidden_layers: number
  readonly num_attention_heads: number
  readonly num_key_value_heads: number
  readonly head_dim: number
  readonly max_position_embeddings: number
  readonly hidden_act?: string
  readonly rms_norm_eps?: number
  readonly layer_norm_eps?: number
  readonly rope_theta: number
  readonly partial_rotary_factor?: number
  readonly rope_scaling: Readonly<Record<string, unknown>> | null
  /** Divisors of the rotary frequencies (head_dim/2), from `rope_freqs.weight`; llama 3.1 and later have them. */
  readonly rope_freq_factors?: readonly number[]
  readonly sliding_window?: number
  readonly attention_bias: boolean
  readonly mlp_bias: boolean
}

/** Of gpt2. */
export interface GgufGpt2Config extends SharedConfig {
  readonly model_type: 'gpt2'
  readonly n_embd: number
  readonly n_layer: number
  readonly n_head: number
  readonly n_inner: number
  readonly n_positions: number
  readonly layer_norm_epsilon: number
  readonly activation_function: 'gelu_new'
}

/** The config.json of a GGUF file. */
export type GgufHfConfig = GgufDecoderConfig | GgufGpt2Config

/** E_UNSUPPORTED for an architecture that is not here. */
export function familyOfFile(file: GgufFile): GgufFamily {
  if (ggufString(file, 'general.type', 'model') === 'adapter')
    throw new TrituneError('E_FORMAT', 'the file is an adapter, not a model', {
      place: file.path,
      remedy: 'name the base model, and this file as the adapter',
    })
  const architecture = ggufString(file, 'general.architecture')
  const experts = `${architecture}.expert_count`
  const isMixture = file.metadata.has(experts) && ggufNumber(file, experts) > 0
  const known = Object.values(GGUF_FAMILIES).filter(
    (family) => family.architecture === architecture && isMixture === (family.experts !== undefined),
  )
  if (architecture === 'mistral') known.push(GGUF_FAMILIES.mistral)
  // Only mistral has a window among the models that call themselves llama.
  const window = ggufNumber(file, `${architecture}.attention.sliding_window`, 0) > 0
  const family = known.find(({ modelType }) => (modelType === 'mistral') === window) ?? known.at(0)
  if (family === undefined) {
    throw new TrituneError(
      'E_UNSUPPORTED',
      `${isMixture ? 'mixtures of experts of ' : ''}the architecture "${architecture}" ${isMixture ? 'are' : 'is'} not supported`,
      {
        place: file.path,
        remedy: `supported: ${Object.keys(GGUF_FAMILIES).join(', ')}; or use the safetensors files of the model`,
      },
    )
  }
  return family
}

/** E_UNSUPPORTED for what the models have not; E_FORMAT for keys that are missing or wrong. */
export function readHfConfig(file: GgufFile, family: GgufFamily): GgufHfConfig {
  const architecture = ggufString(file, 'general.architecture')
  return family.modelType === 'gpt2'
    ? gpt2Config(file, architecture, family)
    : decoderConfig(file, architecture, { ...family, modelType: family.modelType })
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function decoderConfig(
  file: GgufFile,
  architecture: string,
  family: GgufFamily & { readonly modelType: GgufDecoderConfig['model_type'] },
): GgufDecoderConfig {
  const { modelType, hfArchitecture, activation = { key: 'hidden_act', name: 'silu' } } = family
  const number = (key: string, fallback?: number): number =>
    ggufNumber(file, `${architecture}.${key}`, fallback)
  const hidden = number('embedding_length')
  const heads = number('attention.head_count')
  const headDim = number('attention.key_length', hidden / heads)
  const rotated = number('rope.dimension_count', headDim)
  if ((rotated !== headDim && !family.partial) || number('attention.value_length', headDim) !== headDim) {
    throw new TrituneError(
      'E_UNSUPPORTED',
      `heads of ${headDim} of which ${rotated} are rotated are not supported`,
      { place: file.path, remedy: 'use the safetensors folder of the model' },
    )
  }
  const window = number('attention.sliding_window', 0)
  const factors = file.tensors.get('rope_freqs.weight')
  return {
    model_type: modelType,
    ...sharedConfig(file, architecture, hfArchitecture),
    hidden_size: hidden,
    intermediate_size: number('feed_forward_length'),
    num_hidden_layers: number('block_count'),
    num_attention_heads: heads,
    num_key_value_heads: number('attention.head_count_kv', heads),
    head_dim: headDim,
    max_position_embeddings: number('context_length'),
    [activation.key]: activation.name,
    ...(family.layerNorms
      ? { layer_norm_eps: shortestFloat(number('attention.layer_norm_epsilon')) }
      : { rms_norm_eps: shortestFloat(number('attention.layer_norm_rms_epsilon')) }),
    rope_theta: number('rope.freq_base', 10000),
    ...(family.partial ? { partial_rotary_factor: rotated / headDim } : {}),
    rope_scaling: readRopeScaling(file, architecture),
    ...(factors === undefined ? {} : { rope_freq_factors: [...readGgufTensor(file, factors)] }),
    ...(window > 0 ? { sliding_window: window } : {}),
    attention_bias: file.tensors.has('blk.0.attn_q.bias'),
    mlp_bias: file.tensors.has('blk.0.ffn_up.bias'),
    ...ownConfig(file, architecture, family, { headDim }),
  }
}

/** Fields that only this family has. */
function ownConfig(
  file: GgufFile,
  architecture: string,
  { own }: GgufFamily,
  { headDim }: Pick<OwnReader, 'headDim'>,
): Json {
  if (own === undefined) return {}
  return own.read({
    number: (key, fallback) => ggufNumber(file, `${architecture}.${key}`, fallback),
    boolean: (key, fallback) => ggufBoolean(file, `${architecture}.${key}`, fallback),
    tensor(name) {
      const found = file.tensors.get(name)
      return found === undefined ? null : [...readGgufTensor(file, found)]
    },
    has: (name) => file.tensors.has(name),
    layers: ggufNumber(file, `${architecture}.block_count`),
    headDim,
  })
}

function gpt2Config(file: GgufFile, architecture: string, { hfArchitecture }: GgufFamily): GgufGpt2Config {
  const number = (key: string, fallback?: number): number =>
    ggufNumber(file, `${architecture}.${key}`, fallback)
  const hidden = number('embedding_length')
  return {
    model_type: 'gpt2',
    ...sharedConfig(file, architecture, hfArchitecture),
    n_embd: hidden,
    n_layer: number('block_count'),
    n_head: number('attention.head_count'),
    n_inner: number('feed_forward_length', 4 * hidden),
    n_positions: number('context_length'),
    layer_norm_epsilon: shortestFloat(number('attention.layer_norm_epsilon')),
    activation_function: 'gelu_new',
  }
}

function sharedConfig(file: GgufFile, architecture: string, hfArchitecture: string): SharedConfig {
  const token = (key: string): number | undefined =>
    file.metadata.has(`tokenizer.ggml.${key}`) ? ggufNumber(file, `tokenizer.ggml.${key}`) : undefined
  return {
    architectures: [hfArchitecture],
    vocab_size:
      file.tensors.get('token_embd.weight')?.shape[0] ?? ggufNumber(file, `${architecture}.vocab_size`),
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
  // Its lists are tensors.
  if (type === 'longrope' && file.tensors.has('rope_factors_long.weight')) return null
  if (type !== 'linear' && type !== 'yarn') {
    throw new TrituneError('E_UNSUPPORTED', `rope scaling "${type}" is not supported`, {
      place: file.path,
      remedy: 'use the safetensors folder of the model',
    })
  }
  const scaling: Record<string, string | number> = {
    rope_type: type,
    factor: ggufNumber(file, `${prefix}.factor`),
  }
  const more = {
    original_max_position_embeddings: 'original_context_length',
    beta_fast: 'yarn_beta_fast',
    beta_slow: 'yarn_beta_slow',
  }
  const attention = ggufNumber(file, `${prefix}.attn_factor`, 1)
  if (attention !== 1)
    scaling['attention_factor'] = attention * (0.1 * Math.log(Number(scaling['factor'])) + 1)
  for (const [name, key] of Object.entries(more))
    if (file.metadata.has(`${prefix}.${key}`)) scaling[name] = ggufNumber(file, `${prefix}.${key}`)
  return scaling
}
