/**
 * One error class for everything tritune refuses to do.
 *
 * Every error has a stable `code` (for programs), a message (for people) that names the subject, what was got and what
 * was expected, and where known the `place` (file, line, tensor, key) and the `remedy`. Scripts print `message` only;
 * a stack trace is for bugs.
 */

/** Stable identifiers; a new kind of failure gets a new code, an old code never changes its meaning. */
export type ErrorCode =
  | 'E_CONFIG' // a value in the configuration is wrong
  | 'E_CONFIG_KEY' // an unknown or not yet supported key
  | 'E_YAML' // the file is not valid YAML
  | 'E_FILE' // a file is missing, unreadable or cannot be written
  | 'E_BUSY' // another process is at work there
  | 'E_DISK' // no space, or the write failed half-way
  | 'E_FORMAT' // a file does not follow its format (safetensors, GGUF, JSON…)
  | 'E_DATA' // a dataset is empty, malformed or trains nothing
  | 'E_MODEL' // the checkpoint cannot be used as a model
  | 'E_TOKENIZER' // the tokenizer is missing or unusable
  | 'E_ADAPTER' // adapter options or targets do not fit the model
  | 'E_SHAPE' // tensor shapes do not fit
  | 'E_DTYPE' // a dtype is not allowed here
  | 'E_VALUE' // a number, name or key that an op is given is out of its range
  | 'E_DEVICE' // tensors on different devices, or a device that is not there
  | 'E_DISPOSED' // use of a tensor or owner after dispose
  | 'E_SCOPE' // misuse of scopes or of the tape
  | 'E_NATIVE' // a native call failed
  | 'E_MEMORY' // a device has no memory left
  | 'E_LIBRARY' // the native library is missing, damaged or of another ABI version
  | 'E_PLUGIN' // duplicate names, missing requirements, a module that is not a plugin
  | 'E_NAME' // a name that nobody registered
  | 'E_HUB' // download or authentication failed
  | 'E_NETWORK' // a server could not be reached, or refused
  | 'E_NAN' // training met NaN or Inf
  | 'E_RESUME' // a checkpoint does not fit the run
  | 'E_PEER' // another process of a distributed run failed, or does not answer
  | 'E_USAGE' // wrong command-line arguments
  | 'E_REQUEST' // a web request is refused: no token, from elsewhere, not what is understood
  | 'E_UNSUPPORTED' // understood, but not there (yet)

/** What an error tells beside its message. */
export interface ErrorDetails {
  /** Where: `finetune.yaml:12:3`, `model.safetensors: tensor "wte"`, … */
  readonly place?: string
  /** What to do about it, as one sentence. */
  readonly remedy?: string
  readonly cause?: unknown
}

/**
 * The error of everything that tritune refuses to do: a stable `code` for programs; `message` is what went wrong,
 * where, and what to do about it, for people. What is thrown and is none of these is a bug.
 *
 * @example
 * ```ts
 * import { TrituneError } from 'tritune/core'
 * import { loadModel } from 'tritune/plugins/models'
 *
 * try {
 *   loadModel('./no-such-folder')
 * } catch (error) {
 *   if (!(error instanceof TrituneError)) throw error
 *   console.log(error.code, error.remedy) // → E_FILE check base_model
 * }
 * ```
 */
export class TrituneError extends Error {
  readonly code: ErrorCode
  /** The message without place and remedy. */
  readonly what: string
  readonly place: string | undefined
  readonly remedy: string | undefined

  constructor(code: ErrorCode, what: string, { place, remedy, cause }: ErrorDetails = {}) {
    super(`${place ? `${place}: ` : ''}${what}${remedy ? `\n  → ${remedy}` : ''}`, { cause })
    this.name = 'TrituneError'
    this.code = code
    this.what = what
    this.place = place
    this.remedy = remedy
  }
}

/** Longer names are no slips of somebody who types one. */
const LONGEST_NAME = 100

/** The `limit` names of `known` closest to `name` (Levenshtein distance), best first; far ones are left out. */
export function nearestNames(name: string, known: Iterable<string>, limit = 3): string[] {
  if (name.length > LONGEST_NAME) return []
  const cutoff = Math.max(2, Math.ceil(name.length * 0.5))
  const lower = name.toLowerCase()
  return [...known]
    .map((candidate) => ({ candidate, distance: distanceTo(candidate, lower, cutoff) }))
    .filter(
      ({ candidate, distance }) => distance <= cutoff || candidate.includes(name) || name.includes(candidate),
    )
    .toSorted((a, b) => a.distance - b.distance || (a.candidate < b.candidate ? -1 : 1))
    .slice(0, limit)
    .map(({ candidate }) => candidate)
}

/** ` Did you mean "x"?` or, when nothing is near, the list of what there is. */
export function didYouMean(name: string, known: Iterable<string>): string {
  const all = [...known]
  const near = nearestNames(name, all)
  if (near.length > 0) return `did you mean ${near.map((n) => `"${n}"`).join(' or ')}?`
  return all.length === 0
    ? 'there are none'
    : `known: ${all.slice(0, 20).join(', ')}${all.length > 20 ? ', …' : ''}`
}

/** The length alone can tell that it is too far; then the difference of lengths, which is at most the distance. */
function distanceTo(candidate: string, lower: string, cutoff: number): number {
  const difference = Math.abs(candidate.length - lower.length)
  return difference > cutoff ? difference : editDistance(lower, candidate.toLowerCase())
}

function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      row[j] = Math.min(row[j - 1] + 1, previous[j] + 1, previous[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1))
    }
    previous = row
  }
  return previous[b.length]
}
