/**
 * config.json → the metadata of a GGUF file. What llama.cpp computes otherwise, or not at all, is an error here, or a note where
 * only long texts differ.
 */
import { TrituneError } from '../../core/errors.ts'
import type { GgufFamily } from './families/family.ts'
import { type Json, type OwnEntries, unsupported } from './families/own-keys.ts'
import { f32, type GgufTypedValue, text, u32 } from './typed-values.ts'

/** The metadata of an architecture, and what of the model decides about its tensors. */
export interface HfMetadata {
  readonly entries: readonly (readonly [key: string, value: GgufTypedValue])[]
  readonly layers: number
  readonly heads: number
  readonly kvHeads: number
  readonly headSize: number
  readonly vocabSize: number
  /** Tensors of numbers that are no weights. */
  readonly lists: Readonly<Record<string, readonly number[]>>
  /** What llama.cpp leaves out. */
  readonly notes: readonly string[]
}

/** @throws E_UNSUPPORTED for what llama.cpp computes otherwise; E_MODEL for values that cannot be meant */
export function hfMetadata(config: Json, family: GgufFamily, place: string): HfMetadata {
  return family.modelType === 'gpt2'
    ? gpt2Metadata(config, place)
    : decoderMetadata(family.flat?.(config) ?? config, family, place)
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function decoderMetadata(config: Json, family: GgufFamily, place: string): HfMetadata {
  const { architecture, modelType, activation = { key: 'hidden_act', name: 'silu' } } = family
  const read = reader(config, place)
  const hidden = read('hidden_size')
  const heads = read('num_attention_heads')
  const kvHeads = read('num_key_value_heads', heads)
  const layers = read('num_hidden_layers')
  const vocabSize = read('vocab_size')
  const headSize = read('head_dim', modelType === 'qwen3' ? 128 : hidden / heads)
  expectActivation(config, activation, place)
  if (
    modelType.startsWith('qwen') &&
    config['use_sliding_window'] === true &&
    config['sliding_window'] != null
  )
    throw unsupported('layers with a sliding window: llama.cpp lets these attend to all', place)
  if (modelType === 'qwen3' && config['attention_bias'] === true)
    throw unsupported('attention_bias of qwen3', place)
  const key = (name: string): string => `${architecture}.${name}`
  const nothing: OwnEntries = { entries: [] }
  const own = family.own?.write(config, { layers, hidden, heads, headSize, place }) ?? nothing
  return {
    layers,
    heads,
    kvHeads,
    headSize,
    vocabSize,
    lists: own.lists ?? {},
    notes: [...windowNotes(config, modelType), ...(own.notes ?? [])],
    entries: [
      [key('block_count'), u32(layers)],
      [key('context_length'), u32(read('max_position_embeddings', 2048))],
      [key('embedding_length'), u32(hidden)],
      [key('feed_forward_length'), u32(read('intermediate_size'))],
      [key('attention.head_count'), u32(heads)],
      [key('attention.head_count_kv'), u32(kvHeads)],
      family.layerNorms
        ? [key('attention.layer_norm_epsilon'), f32(read('layer_norm_eps', 1e-5))]
        : [key('attention.layer_norm_rms_epsilon'), f32(read('rms_norm_eps', 1e-6))],
      [key('attention.key_length'), u32(headSize)],
      [key('attention.value_length'), u32(headSize)],
      ...windowEntries(config, modelType, key),
      [key('rope.dimension_count'), u32(rotated(config, family, { headSize, place }))],
      ...ropeEntries(config, key, family, place),
      ...own.entries.map(([name, value]) => [key(name), value] as const),
      [key('vocab_size'), u32(vocabSize)],
    ],
  }
}

function expectActivation(
  config: Json,
  { key, name }: NonNullable<GgufFamily['activation']>,
  place: string,
): void {
  const given = config[key] ?? name
  const alike: Readonly<Record<string, readonly string[]>> = {
    silu: ['swish'],
    gelu_pytorch_tanh: ['gelu', 'gelu_new'],
  }
  if (given !== name && !alike[name]?.includes(String(given)))
    throw unsupported(`${key} ${JSON.stringify(given)}: llama.cpp computes ${name}`, place)
}

/** Channels of a head that turn. */
function rotated(
  config: Json,
  family: GgufFamily,
  { headSize, place }: { readonly headSize: number; readonly place: string },
): number {
  const rope = objectOf(config['rope_parameters']) ?? objectOf(config['rope_scaling']) ?? {}
  const part = reader({ ...config, ...rope }, place)('partial_rotary_factor', 1)
  if (part !== 1 && !family.partial) throw unsupported('partial_rotary_factor', place)
  return Math.floor(headSize * part)
}

function gpt2Metadata(config: Json, place: string): HfMetadata {
  const read = reader(config, place)
  const hidden = read('n_embd')
  const heads = read('n_head')
  const layers = read('n_layer')
  const vocabSize = read('vocab_size')
  const activation = config['activation_function'] ?? 'gelu_new'
  if (activation !== 'gelu_new' && activation !== 'gelu_pytorch_tanh')
    throw unsupported(`activation_function ${JSON.stringify(activation)}: llama.cpp computes gelu_new`, place)
  if (config['scale_attn_weights'] === false || config['scale_attn_by_inverse_layer_idx'] === true)
    throw unsupported('attention that is scaled otherwise (scale_attn_…)', place)
  return {
    layers,
    heads,
    kvHeads: heads,
    headSize: hidden / heads,
    vocabSize,
    lists: {},
    notes: [],
    entries: [
      ['gpt2.block_count', u32(layers)],
      ['gpt2.context_length', u32(read('n_positions'))],
      ['gpt2.embedding_length', u32(hidden)],
      ['gpt2.feed_forward_length', u32(read('n_inner', 4 * hidden))],
      ['gpt2.attention.head_count', u32(heads)],
      ['gpt2.attention.layer_norm_epsilon', f32(read('layer_norm_epsilon', 1e-5))],
      ['gpt2.vocab_size', u32(vocabSize)],
    ],
  }
}

/** Only tritune's own reader takes it up: llama.cpp has no window for these models. */
function windowEntries(
  config: Json,
  modelType: string,
  key: (name: string) => string,
): [string, GgufTypedValue][] {
  const window = config['sliding_window']
  return modelType === 'mistral' && typeof window === 'number'
    ? [[key('attention.sliding_window'), u32(window)]]
    : []
}

function windowNotes(config: Json, modelType: string): string[] {
  const window = config['sliding_window']
  return modelType === 'mistral' && typeof window === 'number'
    ? [
        `llama.cpp attends to all of a text, not to the last ${window} tokens as this model: longer texts differ`,
      ]
    : []
}

function ropeEntries(
  config: Json,
  key: (name: string) => string,
  { yarnWhole = false }: GgufFamily,
  place: string,
): [string, GgufTypedValue][] {
  const parameters = objectOf(config['rope_parameters']) ?? objectOf(config['rope_scaling']) ?? {}
  const merged: Json = { ...config, ...parameters }
  const read = reader(merged, place)
  const theta = f32(read('rope_theta', 10000))
  const type: unknown = parameters['rope_type'] ?? parameters['type'] ?? 'default'
  const entries: [string, GgufTypedValue][] = [[key('rope.freq_base'), theta]]
  // The frequencies of llama3 are a tensor, those of longrope two.
  if (type === 'default' || type === 'llama3' || type === 'longrope') return entries
  if (type !== 'linear' && type !== 'yarn')
    throw unsupported(
      `${objectOf(config['rope_parameters']) ? 'rope_parameters' : 'rope_scaling'}: rope scaling ${JSON.stringify(type)}`,
      place,
    )
  entries.push([key('rope.scaling.type'), text(type)], [key('rope.scaling.factor'), f32(read('factor'))])
  if (type === 'linear') return entries
  if (parameters['truncate'] === false && !yarnWhole)
    throw unsupported('rope scaling yarn without truncate', place)
  const original = read('original_max_position_embeddings', read('max_position_embeddings', 2048))
  entries.push([key('rope.scaling.original_context_length'), u32(original)])
  const attention = attentionFactor(parameters, read('factor'))
  if (attention !== 1) entries.push([key('rope.scaling.attn_factor'), f32(attention)])
  for (const name of ['beta_fast', 'beta_slow'] as const)
    if (parameters[name] != null) entries.push([key(`rope.scaling.yarn_${name}`), f32(read(name))])
  return entries
}

/** What yarn's factor on the angles is multiplied by beside its usual 0.1·ln(factor) + 1. */
function attentionFactor(parameters: Json, factor: number): number {
  const number = (name: string): number | null => {
    const value = parameters[name]
    return typeof value === 'number' && value !== 0 ? value : null
  }
  const usual = (scale: number): number => (factor <= 1 ? 1 : 0.1 * scale * Math.log(factor) + 1)
  const given = number('attention_factor')
  const [some, all] = [number('mscale'), number('mscale_all_dim')]
  if (given !== null) return given / usual(1)
  return some !== null && all !== null ? usual(some) / usual(all) / usual(1) : 1
}

function reader(config: Json, place: string): (key: string, fallback?: number) => number {
  return (key, fallback) => {
    const value = config[key] ?? fallback
    if (typeof value === 'number' && Number.isFinite(value) && value > 0) return value
    throw new TrituneError(
      'E_MODEL',
      `config.json: ${key}: expected a number above 0, got ${JSON.stringify(value)}`,
      {
        place,
        remedy: 'check the file against the one of the original model',
      },
    )
  }
}

function objectOf(value: unknown): Json | null {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : null
}
