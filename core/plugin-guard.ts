/**
 * Around calls into code of plugins: what it throws without a code of ours is an E_PLUGIN that names the part and the line, not a stack trace.
 */
import { TrituneError } from './errors.ts'

/** `what`: "the strategy skip-easy". Errors with a code pass as they are. */
export function inPlugin<T>(what: string, work: () => T, place?: string): T {
  try {
    return work()
  } catch (error) {
    if (error instanceof TrituneError) throw error
    throw pluginFailure(what, error, place)
  }
}

/**
 * An E_PLUGIN of what a plugin's code threw: `what` failed, with the first line of its stack as the place to look at.
 * `place` is a file or key, where one is known.
 */
export function pluginFailure(what: string, error: unknown, place?: string): TrituneError {
  const reason = error instanceof Error ? `${error.name}: ${error.message}` : String(error)
  const line = error instanceof Error ? firstLine(error.stack) : undefined
  return new TrituneError('E_PLUGIN', `${what} failed: ${reason}`, {
    place,
    remedy: line === undefined ? undefined : `look at ${line}`,
    cause: error,
  })
}

/** `/path/mine.ts:12:5`: where it was thrown. */
function firstLine(stack: string | undefined): string | undefined {
  return /\(?((?:file:\/\/)?\/[^()\s]+:\d+:\d+)\)?/.exec(stack ?? '')?.[1]
}
