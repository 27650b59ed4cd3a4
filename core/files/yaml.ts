/**
 * YAML with positions: every failure of a configuration says `file:line:column`.
 *
 * YAML 1.2 (https://yaml.org/spec/1.2.2) by the npm package `yaml`, with merge keys (`<<`). Duplicate keys, several
 * documents in one file and an empty file are errors. What the keys mean is decided elsewhere (`core/contracts/config.ts`).
 */
import { isAlias, isMap, isPair, isScalar, isSeq, LineCounter, parseDocument, visit } from 'yaml'
import type { Document, Pair, ParseOptions, SchemaOptions, YAMLError, YAMLMap } from 'yaml'
import { ConfigError, formatPath } from '../contracts/config.ts'
import type { ConfigFailure, ConfigPath, ValidatableConfig } from '../contracts/config.ts'
import { TrituneError } from '../errors.ts'
import { findYamlFault, keyName, offsetOf } from './yaml-checks.ts'
import { UNDERSCORED_NUMBERS } from './yaml-numbers.ts'

/** A parsed file, still knowing where everything stands in it. */
export interface YamlSource {
  readonly file: string
  readonly document: Document
  readonly lines: LineCounter
  /** Paths set from the command line (`formatPath()` of each); they have no line. */
  readonly overrides: ReadonlySet<string>
  /** Files whose values hold where this one has none, those of later ones before those of earlier ones (`yaml-extends.ts`). */
  readonly bases?: readonly YamlSource[]
}

/** `uniqueKeys` of the package takes quadratic time. */
const PARSE: ParseOptions & SchemaOptions & { readonly logLevel: 'error' } = {
  merge: true,
  uniqueKeys: false,
  strict: true,
  prettyErrors: false,
  logLevel: 'error',
  customTags: [...UNDERSCORED_NUMBERS],
}

/** A file of settings is never this long. */
const LONGEST = 4 << 20

/** Parses one document. Throws E_YAML with line and column. */
export function parseYaml(text: string, file: string): YamlSource {
  const lines = new LineCounter()
  const body = text.replace(/^\uFEFF/, '')
  checkText(body, file)
  const document = parseDocument(body, { ...PARSE, lineCounter: lines })
  const [error] = document.errors
  if (error) throw syntaxError(error, file, lines)
  const fault = findYamlFault(document)
  if (fault) {
    const { what, offset, remedy } = fault
    throw new TrituneError('E_YAML', what, { place: placeAt(file, lines, offset), remedy })
  }
  if (document.contents === null || (isScalar(document.contents) && document.contents.value === null)) {
    throw new TrituneError('E_YAML', 'the file is empty', {
      place: file,
      remedy: 'write at least one "key: value" line',
    })
  }
  if (!isMap(document.contents)) {
    throw new TrituneError('E_YAML', 'expected a mapping of "key: value" lines', {
      place: placeAt(file, lines, offsetOf(document.contents)),
    })
  }
  expectFewAliases(document, file)
  return { file, document, lines, overrides: new Set() }
}

const MOST_ALIASES = 1000

/** Each alias is looked for in the whole document: many of them would take the square of its length. */
function expectFewAliases(document: Document, file: string): void {
  let count = 0
  visit(document, { Alias: () => void count++ })
  if (count > MOST_ALIASES)
    throw new TrituneError('E_YAML', `${count} aliases (*name), at most ${MOST_ALIASES} are read`, {
      place: file,
    })
}

/** The plain value of the whole file, aliases and merges resolved, over those of the files that it extends. */
export function yamlValue({ document, file, bases = [] }: YamlSource): unknown {
  try {
    return [...bases.map(yamlValue), document.toJS()].reduce(overlaid)
  } catch (cause) {
    if (cause instanceof TrituneError) throw cause
    throw new TrituneError('E_YAML', messageOf(cause), { place: file, cause })
  }
}

/** Mappings are put together key by key; anything else takes the place of what is below it. */
function overlaid(below: unknown, above: unknown): unknown {
  if (!isMapping(below) || !isMapping(above)) return above
  const merged = Object.entries(above).map(([key, value]) => [
    key,
    Object.hasOwn(below, key) ? overlaid(below[key], value) : value,
  ])
  return { ...below, ...Object.fromEntries(merged) }
}

function isMapping(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** A ConfigError with the places of its failures in the file, in its order; any other error as it is. */
export function placeFailures(error: unknown, source: YamlSource): unknown {
  if (!(error instanceof ConfigError)) return error
  const sorted = error.failures
    .map((failure) => ({ failure, offset: offsetAt(source, failure.path) ?? -1 }))
    .toSorted((a, b) => a.offset - b.offset)
  return new ConfigError(
    sorted.map(({ failure }) => failure),
    (failure) => placeOf(source, failure),
  )
}

/** Checks the file; a failure reads `finetune.yaml:12:3 adapter.rank: expected an integer ≥ 1, got "eight"`. */
export function validateYaml<T>(config: ValidatableConfig<T>, source: YamlSource): T {
  const value = yamlValue(source)
  try {
    return config.validate(value)
  } catch (error) {
    throw placeFailures(error, source)
  }
}

/**
 * Applies `--set a.b=3` (also `datasets.0.path=x`, `lora_target_modules=[q_proj, v_proj]`); the value is read as YAML.
 * The source itself stays as it is. Throws E_USAGE for an assignment that cannot be read or placed.
 */
export function applyOverrides(source: YamlSource, assignments: readonly string[]): YamlSource {
  const document = source.document.clone()
  const overrides = new Set(source.overrides)
  for (const assignment of assignments) {
    const equals = assignment.indexOf('=')
    const name = assignment.slice(0, Math.max(0, equals)).trim()
    if (name === '') {
      throw new TrituneError('E_USAGE', 'expected key=value', { place: `--set ${assignment}` })
    }
    const path = name.split('.').map((key) => (/^\d+$/.test(key) ? Number(key) : key))
    if (path.length > 1) takeFromBases(document, source, String(path[0]))
    const value = parseDocument(assignment.slice(equals + 1), PARSE)
    const wrong = value.errors.at(0)?.message ?? findYamlFault(value)?.what
    if (wrong !== undefined) {
      throw new TrituneError('E_USAGE', `the value is not YAML: ${firstLine(wrong)}`, {
        place: `--set ${name}`,
      })
    }
    try {
      document.setIn(mapKeys(document, path), value.contents)
    } catch (cause) {
      throw new TrituneError('E_USAGE', messageOf(cause), { place: `--set ${name}`, cause })
    }
    overrides.add(formatPath(path))
  }
  return { ...source, document, overrides }
}

/** What an assignment changes a part of is there as a whole first. */
function takeFromBases(document: Document, { bases = [], document: own }: YamlSource, key: string): void {
  if (bases.length === 0 || own.has(key)) return
  const below = bases.map(yamlValue).reduce(overlaid)
  if (isMapping(below) && Object.hasOwn(below, key)) document.set(key, document.createNode(below[key]))
}

/** `line:column` (from 1) of the key or list item at `path`; of the nearest holder when it is not in the file. */
export function positionOf(source: YamlSource, path: ConfigPath): string | undefined {
  const offset = offsetAt(source, path)
  if (offset === undefined) return undefined
  const { line, col } = source.lines.linePos(offset)
  return `${line}:${col}`
}

function offsetAt({ document }: YamlSource, path: ConfigPath): number | undefined {
  let node = resolve(document, document.contents)
  let offset: number | undefined
  for (const key of path) {
    // A value that stands alone where a list is taken too is the first of that list.
    if (key === 0 && !isSeq(node)) continue
    const step = stepInto(document, node, key)
    if (!step) break
    node = resolve(document, step.value)
    offset = step.offset ?? offset
  }
  return offset
}

function placeOf(source: YamlSource, { path }: ConfigFailure): string {
  const field = formatPath(path)
  for (let length = path.length; length > 0; length--) {
    const name = formatPath(path.slice(0, length))
    if (source.overrides.has(name)) return `--set ${name}${length === path.length ? '' : ` ${field}`}`
  }
  const holder = holderOf(source, path)
  const position = positionOf(holder, path)
  return `${holder.file}${position ? `:${position}` : ''} ${field}`
}

/** The file that has most of a path; of several that which holds. */
function holderOf(source: YamlSource, path: ConfigPath): YamlSource {
  const below = (source.bases ?? []).map((base) => holderOf(base, path))
  return [...below, source].reduce((best, one) => (depthOf(one, path) >= depthOf(best, path) ? one : best))
}

/** How many keys of the path are in the file itself. */
function depthOf({ document }: YamlSource, path: ConfigPath): number {
  let node = resolve(document, document.contents)
  for (const [depth, key] of path.entries()) {
    const step = stepInto(document, node, key)
    if (!step) return depth
    node = resolve(document, step.value)
  }
  return path.length
}

interface Step {
  readonly value: unknown
  readonly offset: number | undefined
}

function stepInto(document: Document, node: unknown, key: string | number): Step | undefined {
  if (isSeq(node)) {
    const item = typeof key === 'number' ? node.items[key] : undefined
    return item === undefined ? undefined : { value: item, offset: offsetOf(item) }
  }
  if (!isMap(node)) return undefined
  const pair = pairsOf(node).get(String(key))
  if (pair) return { value: pair.value, offset: offsetOf(pair.key) }
  return stepIntoMerges(document, node, key)
}

const pairsOfMaps = new WeakMap<
  YAMLMap,
  { readonly count: number; readonly pairs: ReadonlyMap<string, Pair> }
>()

/** By name; found again in constant time, as long as nothing was added. */
function pairsOf(map: YAMLMap): ReadonlyMap<string, Pair> {
  const known = pairsOfMaps.get(map)
  const count = map.items.length
  if (known?.count === count) return known.pairs
  const pairs = new Map(map.items.filter(isPair).map((pair) => [keyName(pair.key), pair]))
  pairsOfMaps.set(map, { count, pairs })
  return pairs
}

function stepIntoMerges(document: Document, node: YAMLMap, key: string | number): Step | undefined {
  for (const item of node.items) {
    if (keyName(item.key) !== '<<') continue
    const merged = resolve(document, item.value)
    for (const source of isSeq(merged) ? merged.items : [merged]) {
      const step = stepInto(document, resolve(document, source), key)
      if (step) return step
    }
  }
  return undefined
}

/** A numeric part of an override is a list index only where the file has a list. */
function mapKeys(document: Document, path: ConfigPath): (string | number)[] {
  let node = resolve(document, document.contents)
  return path.map((part) => {
    const key = isMap(node) ? String(part) : part
    node = resolve(document, stepInto(document, node, key)?.value)
    return key
  })
}

function resolve(document: Document, node: unknown): unknown {
  return isAlias(node) ? node.resolve(document) : node
}

function placeAt(file: string, lines: LineCounter, offset: number | undefined): string {
  if (offset === undefined) return file
  const { line, col } = lines.linePos(offset)
  return `${file}:${line}:${col}`
}

/** Files that are no text at all would give the strangest of syntax errors. */
function checkText(text: string, file: string): void {
  if (text.length > LONGEST) {
    throw new TrituneError('E_YAML', `the file has ${text.length} characters: this is no configuration`, {
      place: file,
      remedy: 'name a YAML file',
    })
  }
  const control = /(?![\t\n\r\u0085])\p{Cc}/u.exec(text)
  if (!control) return
  const code = control[0].charCodeAt(0).toString(16).padStart(4, '0').toUpperCase()
  const line = text.slice(0, control.index).split('\n').length
  throw new TrituneError('E_YAML', `the character U+${code} stands here: this is no text`, {
    place: `${file}:${line}`,
    remedy: 'name a YAML file, in UTF-8',
  })
}

function syntaxError(error: YAMLError, file: string, lines: LineCounter): TrituneError {
  const place = placeAt(file, lines, error.pos[0])
  if (error.code === 'MULTIPLE_DOCS') {
    return new TrituneError('E_YAML', 'a second document starts here; expected one', { place })
  }
  if (error.message.startsWith('Maximum call stack')) {
    return new TrituneError('E_YAML', 'nested too deeply', { place })
  }
  return new TrituneError('E_YAML', `not valid YAML: ${firstLine(error.message)}`, {
    place,
    remedy: 'look at brackets, quotes and indentation there and just above',
  })
}

function firstLine(message: string): string {
  return message.split('\n')[0]
}

function messageOf(cause: unknown): string {
  return cause instanceof Error ? firstLine(cause.message) : String(cause)
}
