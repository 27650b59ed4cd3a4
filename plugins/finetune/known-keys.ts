/**
 * Sorts the keys of a configuration file before it is checked: renames old spellings, drops the keys that change
 * nothing (with a note), refuses the keys that would change the result and are not there yet.
 *
 * The tables are in `axolotl-keys.ts`; keys in neither table go on to the schema, which knows the rest.
 */
import { didYouMean } from '../../core/errors.ts'
import { showValue } from '../../core/contracts/config.ts'
import type { ConfigFailure, ConfigPath } from '../../core/contracts/config.ts'
import {
  IGNORED_DATASET_KEYS,
  IGNORED_KEYS,
  IGNORED_PLUGINS,
  RENAMED_KEYS,
  UNSUPPORTED_DATASET_KEYS,
  UNSUPPORTED_KEYS,
} from './axolotl-keys.ts'
import type { IgnoredKey, UnsupportedKey } from './axolotl-keys.ts'

export interface SortedKeys {
  /** The input without the keys that were ignored, under the names that are used. */
  readonly kept: unknown
  readonly notes: readonly string[]
  readonly failures: readonly ConfigFailure[]
}

type Mapping = Readonly<Record<string, unknown>>

interface KeyTables {
  readonly used: ReadonlySet<string>
  readonly ignored: Readonly<Record<string, IgnoredKey>>
  readonly unsupported: Readonly<Record<string, UnsupportedKey>>
}

/** `used` and `usedInDatasets` are the keys of the schemas; every other name must be in a table. */
export function sortKeys(
  input: unknown,
  used: ReadonlySet<string>,
  usedInDatasets: ReadonlySet<string>,
): SortedKeys {
  if (!isMapping(input)) return { kept: input, notes: [], failures: [] }
  const notes: string[] = []
  const failures: ConfigFailure[] = []
  const tables: KeyTables = { used, ignored: IGNORED_KEYS, unsupported: UNSUPPORTED_KEYS }
  const datasetTables: KeyTables = {
    used: usedInDatasets,
    ignored: IGNORED_DATASET_KEYS,
    unsupported: UNSUPPORTED_DATASET_KEYS,
  }
  const { renamed, writtenAs } = rename(input, notes, failures)
  const kept = sortMapping(renamed, tables, [], notes, failures)
  for (const name of ['datasets', 'test_datasets']) {
    const list = kept[name]
    if (!Array.isArray(list)) continue
    kept[name] = list.map((entry: unknown, index) => {
      if (!isMapping(entry)) return entry
      return sortMapping(renameMessageFields(entry), datasetTables, [name, index], notes, failures)
    })
  }
  if (Array.isArray(kept.plugins)) kept.plugins = sortPlugins(kept.plugins, notes, failures)
  return { kept, notes, failures: failures.map((failure) => underOldName(failure, writtenAs)) }
}

function sortMapping(
  input: Mapping,
  { used, ignored, unsupported }: KeyTables,
  path: ConfigPath,
  notes: string[],
  failures: ConfigFailure[],
): Record<string, unknown> {
  const kept: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(input)) {
    const place = [...path, name]
    if (used.has(name)) kept[name] = value
    else if (Object.hasOwn(ignored, name)) {
      if (!isEmpty(value)) notes.push(`${name} is ignored: ${ignored[name].reason}`)
    } else if (Object.hasOwn(unsupported, name)) {
      if (!asksForNothing(value, unsupported[name], input)) {
        failures.push({ path: place, what: unsupportedText(value, unsupported[name]), code: 'E_CONFIG_KEY' })
      }
    } else {
      const known = [...used, ...Object.keys(ignored), ...Object.keys(unsupported)]
      failures.push({
        path: place,
        what: `unknown key "${name}"; ${didYouMean(name, known)}`,
        code: 'E_CONFIG_KEY',
      })
    }
  }
  return kept
}

interface Renamed {
  readonly renamed: Mapping
  /** The name that is used → the name in the file. */
  readonly writtenAs: ReadonlyMap<string, string>
}

function rename(input: Mapping, notes: string[], failures: ConfigFailure[]): Renamed {
  const renamed: Record<string, unknown> = {}
  const writtenAs = new Map<string, string>()
  for (const [name, value] of Object.entries(input)) {
    const target = Object.hasOwn(RENAMED_KEYS, name) ? RENAMED_KEYS[name] : name
    if (target !== name && Object.hasOwn(input, target)) {
      failures.push({
        path: [name],
        what: `the old name of ${target}, which is given too`,
        code: 'E_CONFIG_KEY',
      })
      continue
    }
    if (target !== name) {
      writtenAs.set(target, name)
      if (!isEmpty(value)) notes.push(`${name} is read as ${target}`)
    }
    renamed[target] = value
  }
  return { renamed, writtenAs }
}

function underOldName(failure: ConfigFailure, writtenAs: ReadonlyMap<string, string>): ConfigFailure {
  const [head, ...rest] = failure.path
  const old = typeof head === 'string' ? writtenAs.get(head) : undefined
  return old === undefined ? failure : { ...failure, path: [old, ...rest] }
}

/** `message_field_role: from` is the old way to write `message_property_mappings: { role: from }`. */
function renameMessageFields(entry: Mapping): Mapping {
  const { message_field_role: role, message_field_content: content, ...rest } = entry
  if (isEmpty(role) && isEmpty(content)) return rest
  const given = isMapping(rest.message_property_mappings) ? rest.message_property_mappings : {}
  const old = { ...(isEmpty(role) ? {} : { role }), ...(isEmpty(content) ? {} : { content }) }
  return { ...rest, message_property_mappings: { ...old, ...given } }
}

function sortPlugins(plugins: readonly unknown[], notes: string[], failures: ConfigFailure[]): unknown[] {
  return plugins.filter((plugin, index) => {
    if (typeof plugin !== 'string' || !plugin.startsWith('axolotl.')) return true
    if (IGNORED_PLUGINS.includes(plugin))
      notes.push(`the plugin ${plugin} is ignored: it only saves time and memory`)
    else {
      failures.push({
        path: ['plugins', index],
        what: `${plugin} is a Python plugin of axolotl and is not supported`,
        code: 'E_CONFIG_KEY',
      })
    }
    return false
  })
}

function unsupportedText(value: unknown, { what }: UnsupportedKey): string {
  return `not supported yet (${what}), got ${showValue(value)}; leave the key out or empty`
}

function asksForNothing(value: unknown, { harmless = [], sameAs }: UnsupportedKey, input: Mapping): boolean {
  if (isEmpty(value) || harmless.some((allowed) => allowed === value)) return true
  return sameAs !== undefined && input[sameAs] === value
}

/** What axolotl takes for "not given": null, false, 0, an empty text, list or mapping. */
function isEmpty(value: unknown): boolean {
  if (value === null || value === undefined || value === false || value === 0 || value === '') return true
  if (value === 'false' || value === 'no' || value === 'off') return true
  return typeof value === 'object' && Object.keys(value).length === 0
}

function isMapping(value: unknown): value is Mapping {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
