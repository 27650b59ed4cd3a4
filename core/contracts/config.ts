/**
 * Configurations that know how to check themselves: a valibot schema plus rules that look at several fields at once.
 *
 * A failure says which field, what it holds and what was expected; `core/files/yaml.ts` adds where that stands in the file.
 * Reading files is not done here, and nothing here knows the key of any particular configuration.
 */
import { safeParse } from 'valibot'
import type { BaseIssue, GenericSchema } from 'valibot'
import { didYouMean, TrituneError } from '../errors.ts'
import type { ErrorCode } from '../errors.ts'

export type ConfigPath = readonly (string | number)[]

/** One thing that is wrong with a configuration. */
export interface ConfigFailure {
  readonly path: ConfigPath
  /** For example `expected an integer ≥ 1, got "eight"`. */
  readonly what: string
  readonly remedy?: string
  /** E_CONFIG unless said otherwise. */
  readonly code?: 'E_CONFIG' | 'E_CONFIG_KEY'
}

/** A schema with cross-field rules; a failure names the field, the value, what was expected and where it stands. */
export interface ValidatableConfig<T> {
  readonly schema: GenericSchema<unknown, T>
  /** The checked value with its defaults, or a `ConfigError` (E_CONFIG, E_CONFIG_KEY). */
  validate(input: unknown): T
}

/** Looks at a value whose fields are each right on their own; returns what does not go together. */
export type ConfigRule<T> = (value: T) => ConfigFailure | readonly ConfigFailure[] | undefined

/** What `validate()` throws: every failure with its path, so that a reader of files can add the places. */
export class ConfigError extends TrituneError {
  readonly failures: readonly ConfigFailure[]

  constructor(
    failures: readonly ConfigFailure[],
    placeOf: (failure: ConfigFailure) => string = defaultPlace,
  ) {
    const [first, ...others] = failures
    const lines = others.map((failure) => `${placeOf(failure)}: ${failure.what}${remedyLine(failure)}`)
    const code: ErrorCode = first?.code ?? 'E_CONFIG'
    super(code, [`${first.what}${remedyLine(first)}`, ...lines].join('\n'), { place: placeOf(first) })
    this.failures = failures
  }
}

/** Binds a schema and its rules; the rules run only when every field is right on its own. */
export function defineConfig<T>(
  schema: GenericSchema<unknown, T>,
  rules: readonly ConfigRule<T>[] = [],
): ValidatableConfig<T> {
  return {
    schema,
    validate(input: unknown): T {
      const result = safeParse(schema, input)
      if (!result.success) throw new ConfigError(failuresOf(schema, result.issues))
      const failures = rules.flatMap((rule) => rule(result.output) ?? [])
      if (failures.length > 0) throw new ConfigError(failures)
      return result.output
    },
  }
}

/** `['datasets', 0, 'path']` → `datasets[0].path`. */
export function formatPath(path: ConfigPath): string {
  let text = ''
  for (const key of path) text += typeof key === 'number' ? `[${key}]` : text === '' ? key : `.${key}`
  return text === '' ? '(the whole configuration)' : text
}

/** A value as it appears in a message: short, on one line. */
export function showValue(value: unknown): string {
  if (value === undefined) return 'nothing'
  if (typeof value === 'number' || typeof value === 'bigint') return String(value)
  const text = JSON.stringify(value) ?? String(value)
  return text.length > 60 ? `${text.slice(0, 57)}…` : text
}

function defaultPlace({ path }: ConfigFailure): string {
  return formatPath(path)
}

function remedyLine({ remedy }: ConfigFailure): string {
  return remedy === undefined ? '' : `\n  → ${remedy}`
}

type Issue = BaseIssue<unknown>

function failuresOf(schema: GenericSchema, issues: readonly Issue[]): ConfigFailure[] {
  const failures = new Map<string, ConfigFailure>()
  for (const issue of issues) {
    for (const failure of isUnknownKey(issue) ? unknownKeys(schema, issue) : [failureOf(issue)]) {
      const key = formatPath(failure.path)
      if (!failures.has(key)) failures.set(key, failure)
    }
  }
  return [...failures.values()]
}

function failureOf(issue: Issue): ConfigFailure {
  const path = pathOf(issue)
  const isMissing = issue.input === undefined
  if (isMissing && issue.message.startsWith('Invalid key')) return { path, what: 'this key is required' }
  const expected = issue.message.startsWith('Invalid')
    ? `expected ${issue.expected ?? 'something else'}`
    : issue.message
  if (isMissing) return { path, what: `this key is required: ${expected}` }
  return {
    path,
    what: expected.startsWith('expected') ? `${expected}, got ${showValue(issue.input)}` : expected,
  }
}

function isUnknownKey(issue: Issue): boolean {
  return issue.type === 'strict_object' && issue.expected === 'never'
}

/** valibot stops at the first unknown key of an object; all of them are more useful. */
function unknownKeys(schema: GenericSchema, issue: Issue): ConfigFailure[] {
  const path = pathOf(issue).slice(0, -1)
  const holder = issue.path?.at(-1)?.input
  const known = keysAt(schema, path, holder)
  const names = typeof holder === 'object' && holder !== null ? Object.keys(holder) : []
  return names
    .filter((name) => !known.includes(name))
    .map((name) => ({
      path: [...path, name],
      what: `unknown key "${name}"; ${didYouMean(name, known)}`,
      code: 'E_CONFIG_KEY',
    }))
}

function pathOf(issue: Issue): (string | number)[] {
  return (issue.path ?? []).map((item) => (typeof item.key === 'number' ? item.key : String(item.key)))
}

/** Names that the schema knows at `path`; wrappers (optional, nullish, lists, lazy) are looked through. */
function keysAt(schema: unknown, path: ConfigPath, holder: unknown): string[] {
  const inner = unwrap(schema, holder)
  const entries = property(inner, 'entries')
  if (path.length === 0) return typeof entries === 'object' && entries !== null ? Object.keys(entries) : []
  const [head, ...rest] = path
  const next = typeof head === 'number' ? property(inner, 'item') : property(entries, head)
  return keysAt(next, rest, holder)
}

function unwrap(schema: unknown, holder: unknown): unknown {
  const wrapped = property(schema, 'wrapped')
  if (wrapped !== undefined) return unwrap(wrapped, holder)
  const getter = property(schema, 'getter')
  return typeof getter === 'function' ? unwrap(getter(holder), holder) : schema
}

function property(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined
}
