/**
 * Sorts the keys of a configuration file before it is checked: renames old spellings, drops the keys that change
 * nothing (with a note), refuses the keys that would change the result and are not there yet, and the unknown ones.
 *
 * The tables are in `keys/`; keys in neither go on to the schema, which knows the
 * rest.
 */
import { isDeepStrictEqual } from 'node:util'
import { showValue } from '../../../core/contracts/config.ts'
import type { ConfigFailure, ConfigPath } from '../../../core/contracts/config.ts'
import {
  IGNORED_DATASET_KEYS,
  IGNORED_KEYS,
  UNSUPPORTED_DATASET_KEYS,
  UNSUPPORTED_KEYS,
} from './keys/axolotl-keys.ts'
import type { IgnoredKey, UnsupportedKey } from './keys/key-fact.ts'
import { IGNORED_PLUGINS } from './keys/python-plugins.ts'
import { withName } from '../model/new-model.ts'
import {
  isEmpty,
  isMapping,
  type Mapping,
  readOldSpellings,
  renameKeys,
  underOldName,
} from './old-spellings.ts'
import type { ForeignTool } from './foreign-keys.ts'
import { unknownKeyFailures } from './unknown-keys.ts'

export interface SortedKeys {
  /** The input without the keys that were ignored, under the names that are used. */
  readonly kept: unknown
  readonly notes: readonly string[]
  readonly failures: readonly ConfigFailure[]
  /** A failure at the name under which the file has its key. */
  asWritten(failure: ConfigFailure): ConfigFailure
  /** Paths of keys that need not be asked for: what would give them was refused under another name. */
  readonly answered: ReadonlySet<string>
  /** Keys whose failures follow from one that was refused. */
  readonly covered: ReadonlySet<string>
  /** Whose file this looks like. */
  readonly tool?: ForeignTool | undefined
}

interface KeyTables {
  readonly used: ReadonlySet<string>
  readonly ignored: Readonly<Record<string, IgnoredKey>>
  readonly unsupported: Readonly<Record<string, UnsupportedKey>>
}

/** What is found on the way. */
interface Found {
  readonly notes: string[]
  readonly failures: ConfigFailure[]
  /** Reason → the names that it is said of. */
  readonly ignored: Map<string, string[]>
  readonly emptyUnknown: string[]
}

/** `used` and `usedInDatasets` are the keys of the schemas; every other name must be in a table. */
export function sortKeys(
  input: unknown,
  used: ReadonlySet<string>,
  usedInDatasets: ReadonlySet<string>,
): SortedKeys {
  if (!isMapping(input))
    return {
      kept: input,
      notes: [],
      failures: [],
      asWritten: (failure) => failure,
      answered: new Set(),
      covered: new Set(),
    }
  const found: Found = { notes: [], failures: [], ignored: new Map(), emptyUnknown: [] }
  const tables: KeyTables = { used, ignored: IGNORED_KEYS, unsupported: UNSUPPORTED_KEYS }
  const datasetTables: KeyTables = {
    used: usedInDatasets,
    ignored: IGNORED_DATASET_KEYS,
    unsupported: UNSUPPORTED_DATASET_KEYS,
  }
  const { renamed, writtenAs } = renameKeys(input, found)
  const sortedKeys = sortMapping(readOldSpellings(renamed, found), tables, [], found)
  const { kept, answered: asked, covered, tool } = sortedKeys
  const answered = new Set(asked)
  for (const name of ['datasets', 'test_datasets']) {
    const list = kept[name]
    if (!Array.isArray(list)) continue
    kept[name] = list.map((entry: unknown, index) => {
      if (!isMapping(entry)) return entry
      const sorted = sortMapping(entry, datasetTables, [name, index], found)
      for (const path of sorted.answered) answered.add(path)
      return sorted.kept
    })
  }
  if (Array.isArray(kept.plugins)) kept.plugins = sortPlugins(kept.plugins, found)
  return {
    kept: withName(kept),
    notes: [...found.notes, ...ignoredNotes(found)],
    failures: found.failures.map((failure) => underOldName(failure, writtenAs)),
    asWritten: (failure) => underOldName(failure, writtenAs),
    answered,
    covered,
    tool,
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

interface Sorted extends Pick<SortedKeys, 'answered' | 'covered' | 'tool'> {
  readonly kept: Record<string, unknown>
}

function sortMapping(
  input: Mapping,
  { used, ignored, unsupported }: KeyTables,
  path: ConfigPath,
  { failures, ignored: reasons, emptyUnknown }: Found,
): Sorted {
  const kept: Record<string, unknown> = {}
  const covered = new Set<string>()
  const unknown: string[] = []
  for (const [name, value] of Object.entries(input)) {
    if (used.has(name)) kept[name] = value
    else if (Object.hasOwn(ignored, name)) {
      if (!isEmpty(value)) addTo(reasons, ignored[name].reason, name)
    } else if (Object.hasOwn(unsupported, name)) {
      if (asksForNothing(value, unsupported[name], input)) continue
      const { what, instead, covers = [] } = unsupported[name]
      failures.push({
        path: [...path, name],
        what: `not supported yet (${what}), got ${showValue(value)}; leave the key out or empty${instead === undefined ? '' : `: ${instead}`}`,
        code: 'E_CONFIG_KEY',
      })
      for (const key of covers) covered.add(key)
    } else if (isNothing(value)) emptyUnknown.push(name)
    else unknown.push(name)
  }
  const known = [...used, ...Object.keys(ignored), ...Object.keys(unsupported)]
  const refused = unknownKeyFailures(unknown, { given: kept, known, path })
  failures.push(...refused.failures)
  return { kept, answered: new Set(refused.answered), covered, tool: refused.tool }
}

function sortPlugins(plugins: readonly unknown[], { ignored, failures }: Found): unknown[] {
  return plugins.filter((plugin, index) => {
    if (typeof plugin !== 'string' || !plugin.startsWith('axolotl.')) return true
    if (Object.hasOwn(IGNORED_PLUGINS, plugin)) {
      addTo(ignored, IGNORED_PLUGINS[plugin].reason, `the plugin ${plugin}`)
    } else {
      failures.push({
        path: ['plugins', index],
        what: `${plugin} is a Python plugin of axolotl and is not supported`,
        code: 'E_CONFIG_KEY',
      })
    }
    return false
  })
}

/** One line for all keys that are ignored for one reason. */
function ignoredNotes({ ignored, emptyUnknown }: Found): string[] {
  const lines = [...ignored].map(([reason, names]) => `${listed(names)} ignored: ${reason}`)
  if (emptyUnknown.length > 0) lines.push(`${listed(emptyUnknown)} ignored: unknown, and without a value`)
  return lines
}

const LISTED = 12

function listed(names: readonly string[]): string {
  const shown = names.slice(0, LISTED).join(', ')
  const rest = names.length - LISTED
  return `${shown}${rest > 0 ? ` and ${rest} more` : ''} ${names.length === 1 ? 'is' : 'are'}`
}

function addTo(lists: Map<string, string[]>, key: string, item: string): void {
  const list = lists.get(key)
  if (list) list.push(item)
  else lists.set(key, [item])
}

function asksForNothing(
  value: unknown,
  { harmless = [], sameAs, onlyWith }: UnsupportedKey,
  input: Mapping,
): boolean {
  if (isEmpty(value) || harmless.some((allowed) => allowed === value)) return true
  if (onlyWith && Object.entries(onlyWith).every(([key, given]) => isDeepStrictEqual(input[key], given)))
    return true
  return sameAs !== undefined && input[sameAs] === value
}

/** Stricter than "not given": an unknown key that is false may be a misspelt one. */
function isNothing(value: unknown): boolean {
  return isEmpty(value) && (value === null || value === '' || typeof value === 'object')
}
