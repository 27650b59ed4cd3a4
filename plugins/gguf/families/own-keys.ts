/**
 * The keys of an architecture that not every decoder has, and what of config.json they stand for.
 */
import { TrituneError } from '../../../core/errors.ts'
import type { GgufTypedValue } from '../typed-values.ts'

export type Json = Readonly<Record<string, unknown>>

/** What is known of a model when its own keys are written. */
export interface OwnFacts {
  readonly layers: number
  readonly hidden: number
  readonly heads: number
  readonly headSize: number
  readonly place: string
}

/** Reads a key of the architecture; without a fallback E_FORMAT when it is missing. */
export interface OwnReader {
  number(key: string, fallback?: number): number
  boolean(key: string, fallback: boolean): boolean
  /** The numbers of a tensor; null: it is not there. */
  tensor(name: string): number[] | null
  has(tensor: string): boolean
  readonly layers: number
  readonly headDim: number
}

/** The keys of GGUF that one family has besides those of all. */
export interface GgufOwnKeys {
  /** Keys without the name of the architecture. Throws E_UNSUPPORTED for what llama.cpp computes otherwise. */
  write(config: Json, facts: OwnFacts): OwnEntries
  /** Fields of config.json. */
  read(file: OwnReader): Json
}

/** What a family writes of its own. */
export interface OwnEntries {
  readonly entries: readonly (readonly [key: string, value: GgufTypedValue])[]
  /** Tensors of numbers that are no weights. */
  readonly lists?: Readonly<Record<string, readonly number[]>>
  /** What llama.cpp leaves out. */
  readonly notes?: readonly string[]
}

/** A number of config.json above 0. */
export function numberOf(config: Json, key: string, place: string, fallback?: number): number {
  const value = config[key] ?? fallback
  if (typeof value === 'number' && Number.isFinite(value) && value > 0) return value
  throw new TrituneError(
    'E_MODEL',
    `config.json: ${key}: expected a number above 0, got ${JSON.stringify(value)}`,
    { place, remedy: 'check the file against the one of the original model' },
  )
}

/** E_UNSUPPORTED, with what llama.cpp computes otherwise. */
export function unsupported(what: string, place: string): TrituneError {
  return new TrituneError('E_UNSUPPORTED', `this model cannot be a GGUF file: ${what}`, {
    place,
    remedy: 'export it as a Hugging Face folder (hf)',
  })
}

/** E_UNSUPPORTED unless every `each`-th layer attends to all and the others to a window, as llama.cpp takes it. */
export function expectPattern(config: Json, each: number, { layers, place }: OwnFacts): void {
  const types: unknown = config['layer_types'] ?? null
  const pattern = config['sliding_window_pattern'] ?? each
  const slides = (layer: number): boolean =>
    Array.isArray(types) ? types[layer] === 'sliding_attention' : (layer + 1) % Number(pattern) !== 0
  for (let layer = 0; layer < layers; layer++) {
    const type: unknown = Array.isArray(types) ? types[layer] : null
    if (type !== null && type !== 'sliding_attention' && type !== 'full_attention')
      throw unsupported(`layer_types: layer ${layer} is of type ${JSON.stringify(type)}`, place)
    if (slides(layer) !== ((layer + 1) % each !== 0))
      throw unsupported(`layer ${layer}: llama.cpp has a window on all layers but each ${each}th`, place)
  }
}

/** `layer_types` of that pattern. */
export function patternTypes(layers: number, each: number): string[] {
  return Array.from({ length: layers }, (_, layer) =>
    (layer + 1) % each === 0 ? 'full_attention' : 'sliding_attention',
  )
}

/** The shortest decimal that is the same float32: 9.999999747378752e-6 → 1e-5. */
export function shortestFloat(value: number): number {
  for (let digits = 1; digits <= 9; digits++) {
    const candidate = Number(value.toPrecision(digits))
    if (Math.fround(candidate) === Math.fround(value)) return candidate
  }
  return value
}
