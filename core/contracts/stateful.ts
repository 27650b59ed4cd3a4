/**
 * Stateful: what a part of a run keeps between steps, so that a killed run resumes to the same bits.
 *
 * Optimizers, gradient transforms, strategies, objectives, samplers and monitors may all be stateful; the trainer puts what they name
 * into checkpoints and gives it back. What can be computed again from the configuration is not state.
 */
import type { Tensor } from '../tensor/tensor.ts'

/** What JSON can hold, and so what a checkpoint keeps beside tensors. */
export type JsonValue =
  | string
  | number
  | boolean
  | null
  | readonly JsonValue[]
  | { readonly [key: string]: JsonValue }

/**
 * What a part of a run keeps between steps; the trainer saves it in checkpoints and gives it back, so that a resumed
 * run takes the same bits.
 */
export interface Stateful {
  /** Tensors by name, always the same names, shapes and dtypes: their contents are saved, and overwritten on resume. */
  tensors?(): ReadonlyMap<string, Tensor>
  /** Everything else, as JSON. Numbers must be finite: JSON knows no NaN. */
  saveState?(): JsonValue
  /** Gets what `saveState` gave, before the first step. Throws E_RESUME when it is not that. */
  loadState?(state: JsonValue): void
}

/** A field of a saved object; null when it is not there. */
export function jsonField(state: JsonValue, name: string): JsonValue {
  if (typeof state !== 'object' || state === null || Array.isArray(state) || !Object.hasOwn(state, name))
    return null
  const value: unknown = Reflect.get(state, name)
  return value as JsonValue
}
