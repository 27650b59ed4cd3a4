/**
 * Says which key of a run's file an error comes from, so that whoever reads the file can add the line (`placeInConfig`).
 */
import { ConfigError, type ConfigFailure, type ConfigPath, TrituneError } from '../../../core/mod.ts'
import { finetuneSchema } from './finetune-schema.ts'

/** Runs; a `TrituneError` becomes a `ConfigError` at `path`, with the code that it had; a `ConfigError` stays as it is. */
export function atKey<T>(path: ConfigPath, run: () => T): T {
  try {
    return run()
  } catch (error) {
    throw errorAtKey(path, error)
  }
}

/** `atKey()` for a function whose result is waited for. */
export async function atKeyAsync<T>(path: ConfigPath, run: () => Promise<T>): Promise<T> {
  try {
    return await run()
  } catch (error) {
    throw errorAtKey(path, error)
  }
}

/** An error whose place is the name of a key, said by someone who knows no file, becomes one at that key. */
export function atNamedKey<T>(run: () => T): T {
  try {
    return run()
  } catch (error) {
    throw errorAtNamedKey(error)
  }
}

/** `atNamedKey()` for a function whose result is waited for. */
export async function atNamedKeyAsync<T>(run: () => Promise<T>): Promise<T> {
  try {
    return await run()
  } catch (error) {
    throw errorAtNamedKey(error)
  }
}

/** The failures of an error at `path`; those of a `ConfigError` are under it. Any other error is thrown. */
export function failuresAtKey(path: ConfigPath, error: unknown): ConfigFailure[] {
  if (error instanceof ConfigError) {
    return error.failures.map((failure) => ({ ...failure, path: [...path, ...failure.path] }))
  }
  if (!(error instanceof TrituneError)) throw error
  return [{ path, what: whatOf(error, path), remedy: error.remedy, code: error.code }]
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function errorAtNamedKey(error: unknown): unknown {
  if (!(error instanceof TrituneError) || error instanceof ConfigError) return error
  const { place } = error
  return place !== undefined && isKey(place) ? errorAtKey([place], error) : error
}

function errorAtKey(path: ConfigPath, error: unknown): unknown {
  if (error instanceof ConfigError || !(error instanceof TrituneError)) return error
  return new ConfigError(failuresAtKey(path, error))
}

/** The message without its remedy, and without a place that the path says already. */
function whatOf({ message, remedy, place }: TrituneError, path: ConfigPath): string {
  const end = remedy === undefined ? '' : `\n  → ${remedy}`
  const text = message.endsWith(end) ? message.slice(0, message.length - end.length) : message
  const said = place !== undefined && path.includes(place) ? `${place}: ` : ''
  return text.startsWith(said) ? text.slice(said.length) : text
}

function isKey(name: string): boolean {
  return Object.hasOwn(Object(Reflect.get(finetuneSchema, 'entries')), name)
}
