/**
 * The account of a file of another tool: what became of each of its keys. Every key has one line, so that nothing is lost in silence.
 */
export type Fate = 'carried' | 'no effect' | 'refused'

/** What became of one key. */
export interface Accounted {
  readonly key: string
  readonly fate: Fate
  /** The keys that it became; where it has no effect or is refused, why; where it is not quite the same, how. */
  readonly said: string
}

/** A file of another tool as one of a run. */
export interface Converted {
  readonly tool: string
  /** Keys of a run's file, in the order in which they are written. */
  readonly keys: Readonly<Record<string, unknown>>
  readonly account: readonly Accounted[]
}

/** What a rule makes of a value. */
export type Outcome =
  | { readonly set: Readonly<Record<string, unknown>>; readonly note?: string }
  | { readonly none: string }
  | { readonly refused: string }

/** The value and the whole file → what becomes of it. */
export type Rule = (value: unknown, file: Readonly<Record<string, unknown>>) => Outcome

export type Rules = Readonly<Record<string, Rule>>

/** The same value under another name. */
export function as(name: string): Rule {
  return (value) => (value === null || value === undefined ? { none: 'not set' } : { set: { [name]: value } })
}

export function none(reason: string): Rule {
  return () => ({ none: reason })
}

/** Refused when it asks for something. */
export function refusedUnlessEmpty(reason: string): Rule {
  return (value) => (isUnset(value) ? { none: 'not set' } : { refused: reason })
}

/** Follows the rules for each key of the file; a key without a rule is refused. `defaults`: what the tool takes where its file is silent. */
export function follow(
  tool: string,
  file: Readonly<Record<string, unknown>>,
  rules: Rules,
  defaults: Readonly<Record<string, unknown>> = {},
): Converted {
  const account: Accounted[] = []
  const keys: Record<string, unknown> = {}
  const apply = (key: string, value: unknown): Outcome => {
    if (!Object.hasOwn(rules, key)) return { refused: `no key of ${tool} that is known here` }
    return rules[key](value, { ...defaults, ...file })
  }
  for (const [key, value] of Object.entries(file)) {
    const outcome = apply(key, value)
    if ('set' in outcome) {
      for (const [name, made] of Object.entries(outcome.set)) keys[name] = together(keys[name], made)
      const names = Object.keys(outcome.set).join(', ')
      account.push({ key, fate: 'carried', said: outcome.note ? `${names}; ${outcome.note}` : names })
    } else if ('none' in outcome) account.push({ key, fate: 'no effect', said: outcome.none })
    else account.push({ key, fate: 'refused', said: outcome.refused })
  }
  for (const [key, value] of Object.entries(defaults)) {
    if (Object.hasOwn(file, key)) continue
    const outcome = apply(key, value)
    if ('set' in outcome)
      for (const [name, made] of Object.entries(outcome.set))
        if (!Object.hasOwn(keys, name)) keys[name] = made
  }
  return { tool, keys, account }
}

/** Several keys of a tool can be one mapping here. */
function together(before: unknown, made: unknown): unknown {
  return isMapping(before) && isMapping(made) ? { ...before, ...made } : made
}

function isMapping(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

export function isUnset(value: unknown): boolean {
  return value === null || value === undefined || value === false || value === '' || value === 'none'
}

/** `a, b` or a list. */
export function namesIn(value: unknown): string[] {
  const list = Array.isArray(value) ? value.map(String) : String(value).split(',')
  return list.map((name) => name.trim()).filter((name) => name !== '')
}
