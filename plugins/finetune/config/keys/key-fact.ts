/**
 * What is known of a key of axolotl's that is no key of the schema: it changes nothing here, or it would change the result and is not there. (Facts of one
 * subject are a file beside this one; a key that comes to work leaves its line for `finetune-schema.ts`.)
 */

/** Accepted with a note. */
export interface IgnoredKey {
  /** Why leaving it out changes nothing. */
  readonly reason: string
}

/** Refused unless it asks for nothing. */
export interface UnsupportedKey {
  /** What the key would do. */
  readonly what: string
  /** Values, besides the empty ones, that ask for nothing. */
  readonly harmless?: readonly (string | number | boolean)[]
  /** Asks for nothing where these keys have these values. */
  readonly onlyWith?: Readonly<Record<string, unknown>>
  /** How it is done here. Without it: not at all. */
  readonly instead?: string
  /** May repeat the value of this other key. */
  readonly sameAs?: string
  /** A name, or a mapping of one name to its options, is the short form of this key. */
  readonly shortFor?: string
  /** Keys that follow from this one: what is wrong with them is no fault of its own. */
  readonly covers?: readonly string[]
}

/** The keys of one subject. */
export interface KeyFacts {
  readonly ignored: Readonly<Record<string, IgnoredKey>>
  readonly refused: Readonly<Record<string, UnsupportedKey>>
}

export function ignored(reason: string, names: readonly string[]): Record<string, IgnoredKey> {
  return Object.fromEntries(names.map((name) => [name, { reason }]))
}

export function refused(what: string, names: readonly string[]): Record<string, UnsupportedKey> {
  return Object.fromEntries(names.map((name) => [name, { what }]))
}
