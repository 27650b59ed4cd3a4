/**
 * Reads fields of a config.json with clear errors; shared by the model files.
 */
import { showValue, TrituneError } from '../../core/mod.ts'

export type ConfigJson = Readonly<Record<string, unknown>>

/** No model has a size or a count beyond; a tensor's bytes stay exact below. */
const LARGEST = 2 ** 31 - 1
/** Blocks of a model; each of them is several tensors, which are looked for one by one. */
export const MOST_LAYERS = 10_000

/** A positive integer up to `max`; `fallback` when the key is absent or null. */
export function integerField(
  config: ConfigJson,
  key: string,
  fallback?: number,
  { max = LARGEST }: { readonly max?: number } = {},
): number {
  const value = config[key] ?? fallback
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 1 || value > max) {
    throw new TrituneError(
      'E_MODEL',
      `config.json: ${key}: expected a positive integer${typeof value === 'number' && value > max ? ` up to ${max}` : ''}, got ${showValue(value)}`,
      { remedy: 'check the file against the one of the original model' },
    )
  }
  return value
}

export function numberField(config: ConfigJson, key: string, fallback: number): number {
  const value = config[key] ?? fallback
  if (typeof value !== 'number' || !Number.isFinite(value)) {
    throw new TrituneError('E_MODEL', `config.json: ${key}: expected a number, got ${showValue(value)}`)
  }
  return value
}

export function booleanField(config: ConfigJson, key: string, fallback: boolean): boolean {
  const value = config[key] ?? fallback
  if (typeof value !== 'boolean')
    throw new TrituneError('E_MODEL', `config.json: ${key}: expected true or false, got ${showValue(value)}`)
  return value
}

export function stringField(config: ConfigJson, key: string, fallback: string): string {
  const value = config[key] ?? fallback
  if (typeof value !== 'string')
    throw new TrituneError('E_MODEL', `config.json: ${key}: expected a string, got ${showValue(value)}`)
  return value
}

/** A number above 0. */
export function positiveField(config: ConfigJson, key: string, fallback: number): number {
  const value = numberField(config, key, fallback)
  if (value > 0) return value
  throw new TrituneError('E_MODEL', `config.json: ${key}: expected a number above 0, got ${showValue(value)}`)
}

/** A cap on scores or logits; 0: none, which config.json says by null. `fallback` when the key is absent. */
export function capField(config: ConfigJson, key: string, fallback: number): number {
  return config[key] === null ? 0 : config[key] === undefined ? fallback : positiveField(config, key, 1)
}
