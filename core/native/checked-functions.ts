/**
 * The functions of a native library with their statuses as errors, whatever calls them: foreign functions or WebAssembly.
 */
import { TrituneError } from '../errors.ts'
import { expectArguments } from './arguments.ts'
import { type NativeFunctions, SYMBOLS } from './symbols.ts'

export type CheckedFunctions = {
  readonly [K in keyof NativeFunctions]: (...args: Parameters<NativeFunctions[K]>) => void
}

export interface CheckedOptions {
  /** Where the library came from, for errors. */
  readonly place: string
  lastError(): string
  /** What to do about a build without a function. */
  missingRemedy(): string
  /** What to do when there is no memory left. */
  readonly memoryRemedy: string
}

/** A negative status throws E_NATIVE (E_MEMORY: no memory left) with the library's message; a function that is not there E_LIBRARY. */
export function checkedFunctions(
  functions: Partial<NativeFunctions>,
  { place, lastError, missingRemedy, memoryRemedy }: CheckedOptions,
): CheckedFunctions {
  const wrapped: Record<string, (...args: never[]) => void> = {}
  for (const name of symbolNames()) {
    const raw: ((...args: never[]) => number | string) | undefined = functions[name]
    wrapped[name] = raw
      ? (...args) => {
          expectArguments(name, SYMBOLS[name], args)
          const status = raw(...args)
          if (typeof status === 'number' && status < 0)
            throw nativeError(name, status, lastError(), memoryRemedy)
        }
      : () => {
          throw new TrituneError('E_LIBRARY', `this build has no ${name}`, { place, remedy: missingRemedy() })
        }
  }
  return wrapped as CheckedFunctions
}

/** Of every function of the header. */
export function symbolNames(): (keyof NativeFunctions)[] {
  return Object.keys(SYMBOLS) as (keyof NativeFunctions)[]
}

// ---- helpers ----------------------------------------------------------------------------------------------------

const OUT_OF_MEMORY = -2

function nativeError(name: string, status: number, message: string, memoryRemedy: string): TrituneError {
  if (status !== OUT_OF_MEMORY) return new TrituneError('E_NATIVE', `${name} failed (${status}): ${message}`)
  return new TrituneError('E_MEMORY', message, { remedy: memoryRemedy })
}
