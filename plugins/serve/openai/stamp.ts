/**
 * What every object of an answer has: whose it is, of when, from which model.
 */
import { randomLetters } from '../tools/tool-format.ts'

export interface Stamp {
  readonly id: string
  /** Seconds since 1970. */
  readonly created: number
  /** The name that was asked for. */
  readonly model: string
}

/** `prefix` is how ids of a kind begin: `chatcmpl`. */
export function newStamp(prefix: string, model: string): Stamp {
  return { id: `${prefix}-${randomLetters(24)}`, created: Math.floor(Date.now() / 1000), model }
}
