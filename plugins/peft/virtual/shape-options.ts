/**
 * What the methods that stand before the text have in common: how many virtual tokens, and PEFT's fields that say for which model. They follow from
 * the model; given, they must be those of it.
 */
import { type Field, integer, type ModelInfo, nullable, optional, TrituneError } from '../../../core/mod.ts'

/** PEFT's `PromptLearningConfig`. null: as the model has it. */
export interface VirtualTokenOptions {
  /** Positions that are taken before every document. */
  readonly num_virtual_tokens: number
  /** Numbers of one token: the hidden size; of a prefix those of the keys of one block. */
  readonly token_dim: number | null
  readonly num_layers: number | null
  /** Of a prefix: heads of the keys and values. */
  readonly num_attention_heads: number | null
  /** 2 are of models with an encoder and a decoder, which are not here. */
  readonly num_transformer_submodules: number | null
}

export const shapeFields: { readonly [K in keyof VirtualTokenOptions]: Field<VirtualTokenOptions[K]> } = {
  num_virtual_tokens: optional(integer({ min: 1 }), 20),
  token_dim: nullable(integer({ min: 1 })),
  num_layers: nullable(integer({ min: 1 })),
  num_attention_heads: nullable(integer({ min: 1 })),
  num_transformer_submodules: nullable(integer({ min: 1, max: 1 })),
}

interface Shapes {
  readonly token_dim: number
  readonly num_layers: number
  readonly num_attention_heads: number
}

/** What the fields are for a model: as PEFT fills them in. */
export function shapesFor(info: ModelInfo, place: 'tokens' | 'keys'): Shapes {
  const { hiddenSize, kvHeads, headSize, layerCount, config } = info
  const heads = config['num_attention_heads'] ?? config['n_head']
  return place === 'keys'
    ? { token_dim: kvHeads * headSize, num_attention_heads: kvHeads, num_layers: layerCount }
    : {
        token_dim: hiddenSize,
        num_attention_heads: typeof heads === 'number' ? heads : kvHeads,
        num_layers: layerCount,
      }
}

/** E_ADAPTER when a field is given that is not of this model; of vectors before the text the width alone counts. */
export function expectShapes(name: string, options: VirtualTokenOptions, shapes: Partial<Shapes>): void {
  for (const key of ['token_dim', 'num_layers', 'num_attention_heads'] as const) {
    if (shapes[key] === undefined) continue
    const given = options[key]
    if (given === null || given === shapes[key]) continue
    throw new TrituneError('E_ADAPTER', `${name}: ${key} is ${given}, of this model ${shapes[key]}`, {
      remedy: 'leave it out, or name the base model that the adapter was trained on',
    })
  }
}

/** Their names in adapter_config.json. */
export const SHAPE_FIELDS: readonly string[] = Object.keys(shapeFields)

/** The fields as adapter_config.json has them. */
export function shapesToWrite(
  { num_virtual_tokens }: VirtualTokenOptions,
  shapes: Shapes,
): Record<string, unknown> {
  return { ...shapes, modules_to_save: null, num_transformer_submodules: 1, num_virtual_tokens }
}

/** The fields of adapter_config.json; throws E_UNSUPPORTED for what trains more than virtual tokens. */
export function shapesFromFile(fields: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const saved = fields['modules_to_save'] ?? null
  if (Array.isArray(saved) ? saved.length > 0 : saved !== null)
    throw new TrituneError('E_UNSUPPORTED', 'modules_to_save beside virtual tokens is not supported', {
      remedy: 'train virtual tokens alone, or modules_to_save beside another method',
    })
  return Object.fromEntries(Object.keys(shapeFields).map((key) => [key, fields[key]]))
}
