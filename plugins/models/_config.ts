/**
 * Reads fields of a config.json with clear errors; shared by the model files.
 */
import { TrituneError } from '../../core/mod.ts'

export type ConfigJson = Readonly<Record<string, unknown>>

/** A positive integer; `fallback` when the key is absent or null. */
export function integerField(config: ConfigJson, key: string, fallback?: number): number {
  const value = config[key] ?? fallback
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 1 || value >= 2 ** 31) {
    throw new TrituneError(
      'E_MODEL',
      `config.json: ${key}: expected a positive integer below 2³¹, got ${JSON.stringify(value)}`,
    )
  }
  return value
}

export function numberField(config: ConfigJson, key: string, fallback: number): number {
  const value = config[key] ?? fallback
  if (typeof value !== 'number' || !Number.isFinite(value)) {
    throw new TrituneError('E_MODEL', `config.json: ${key}: expected a number, got ${JSON.stringify(value)}`)
  }
  return value
}

export function booleanField(config: ConfigJson, key: string, fallback: boolean): boolean {
  const value = config[key] ?? fallback
  if (typeof value !== 'boolean')
    throw new TrituneError(
      'E_MODEL',
      `config.json: ${key}: expected true or false, got ${JSON.stringify(value)}`,
    )
  return value
}

export function stringField(config: ConfigJson, key: string, fallback: string): string {
  const value = config[key] ?? fallback
  if (typeof value !== 'string')
    throw new TrituneError('E_MODEL', `config.json: ${key}: expected a string, got ${JSON.stringify(value)}`)
  return value
}
