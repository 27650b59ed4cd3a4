/**
 * Collects the faults of checks that do not need each other, so that one error tells all of them.
 */
import { ConfigError, type ConfigFailure, type ConfigPath } from '../../../core/mod.ts'
import { failuresAtKey } from './at-key.ts'

export interface Faults {
  /** The result; undefined when it failed, which is kept at `path` (`[]`: only what knows its keys itself). */
  check<T>(path: ConfigPath, run: () => T): T | undefined
  checkAsync<T>(path: ConfigPath, run: () => Promise<T>): Promise<T | undefined>
  /** A `ConfigError` with those that `isOwn`; nothing when there are none at all. */
  throwIfAny(isOwn?: (failure: ConfigFailure) => boolean): void
}

export function collectFaults(): Faults {
  const failures: ConfigFailure[] = []
  const keep = (path: ConfigPath, error: unknown): undefined => {
    if (path.length === 0 && !(error instanceof ConfigError)) throw error
    failures.push(...failuresAtKey(path, error))
    return undefined
  }
  return {
    check(path, run) {
      try {
        return run()
      } catch (error) {
        return keep(path, error)
      }
    },
    async checkAsync(path, run) {
      try {
        return await run()
      } catch (error) {
        return keep(path, error)
      }
    },
    throwIfAny(isOwn = () => true) {
      if (failures.length === 0) return
      const own = failures.filter(isOwn)
      throw new ConfigError(own.length > 0 ? own : failures)
    },
  }
}
