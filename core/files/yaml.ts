/**
 * YAML with positions: every failure of a configuration says `file:line:column`.
 *
 * YAML 1.2 (https://yaml.org/spec/1.2.2) by the npm package `yaml`, with merge keys (`<<`). Duplicate keys, several
 * documents in one file and an empty file are errors. What the keys mean is decided elsewhere (`core/contracts/config.ts`).
 */
import { isAlias, isMap, isNode, isScalar, isSeq, LineCounter, parseDocument } from 'yaml'
import type { Document, Node, YAMLError, YAMLMap } from 'yaml'
import { ConfigError, formatPath } from '../contracts/config.ts'
import type { ConfigFailure, ConfigPath, ValidatableConfig } from '../contracts/config.ts'
import { TrituneError } from '../errors.ts'

/** A parsed file, still knowing where everything stands in it. */
export interface YamlSource {
  readonly file: string
  readonly document: Document
  readonly lines: LineCounter
  /** Paths set from the command line (`formatPath()` of each); they have no line. */
  readonly overrides: ReadonlySet<string>
}

const PARSE = { merge: true, uniqueKeys: true, strict: true, prettyErrors: false } as const

/** Parses one document. Throws E_YAML with line and column. */
export function parseYaml(text: string, file: string): YamlSource {
  const lines = new LineCounter()
  const body = text.replace(/^\uFEFF/, '')
  const document = parseDocument(body, { ...PARSE, lineCounter: lines })
  const [error] = document.errors
  if (error) throw syntaxError(error, body, file, lines)
  if (document.contents === null || (isScalar(document.contents) && document.contents.value === null)) {
    throw new TrituneError('E_YAML', 'the file is empty', {
      place: file,
      remedy: 'write at least one "key: value" line',
    })
  }
  if (!isMap(document.contents)) {
    throw new TrituneError('E_YAML', 'expected a mapping of "key: value" lines', {
      place: placeAt(file, lines, rangeStart(document.contents)),
    })
  }
  return { file, document, lines, overrides: new Set() }
}

/** The plain value of the whole file, aliases and merges resolved. */
export function yamlValue({ document, file }: YamlSource): unknown {
  try {
    return document.toJS()
  } catch (cause) {
    throw new TrituneError('E_YAML', messageOf(cause), { place: file, cause })
  }
}

/** A ConfigError with the places of its failures in the file; any other error as it is. */
export function placeFailures(error: unknown, source: YamlSource): unknown {
  if (!(error instanceof ConfigError)) return error
  return new ConfigError(error.failures, (failure) => placeOf(source, failure))
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
    const value = parseDocument(assignment.slice(equals + 1), PARSE)
    if (value.errors.length > 0) {
      throw new TrituneError('E_USAGE', `the value is not YAML: ${firstLine(value.errors[0].message)}`, {
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

/** `line:column` (from 1) of the key or list item at `path`; of the nearest holder when it is not in the file. */
export function positionOf({ document, lines }: YamlSource, path: ConfigPath): string | undefined {
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
  if (offset === undefined) return undefined
  const { line, col } = lines.linePos(offset)
  return `${line}:${col}`
}

function placeOf(source: YamlSource, { path }: ConfigFailure): string {
  const field = formatPath(path)
  for (let length = path.length; length > 0; length--) {
    const name = formatPath(path.slice(0, length))
    if (source.overrides.has(name)) return `--set ${name}${length === path.length ? '' : ` ${field}`}`
  }
  const position = positionOf(source, path)
  return `${source.file}${position ? `:${position}` : ''} ${field}`
}

interface Step {
  readonly value: unknown
  readonly offset: number | undefined
}

function stepInto(document: Document, node: unknown, key: string | number): Step | undefined {
  if (isSeq(node)) {
    const item = typeof key === 'number' ? node.items[key] : undefined
    return item === undefined ? undefined : { value: item, offset: rangeStart(item) }
  }
  if (!isMap(node)) return undefined
  const pair = node.items.find((item) => keyName(item.key) === String(key))
  if (pair) return { value: pair.value, offset: rangeStart(pair.key) }
  return stepIntoMerges(document, node, key)
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

function keyName(key: unknown): string {
  if (!isScalar(key)) return String(key)
  return typeof key.value === 'symbol' ? (key.value.description ?? '') : String(key.value)
}

function rangeStart(node: unknown): number | undefined {
  return isNode(node) ? (node as Node).range?.[0] : undefined
}

function placeAt(file: string, lines: LineCounter, offset: number | undefined): string {
  if (offset === undefined) return file
  const { line, col } = lines.linePos(offset)
  return `${file}:${line}:${col}`
}

function syntaxError(error: YAMLError, text: string, file: string, lines: LineCounter): TrituneError {
  const place = placeAt(file, lines, error.pos[0])
  if (error.code === 'DUPLICATE_KEY') {
    const key = text
      .slice(error.pos[0])
      .match(/^[^:\n]*/)?.[0]
      .trim()
    return new TrituneError('E_YAML', `the key "${key}" stands here a second time`, { place })
  }
  if (error.code === 'MULTIPLE_DOCS') {
    return new TrituneError('E_YAML', 'a second document starts here; expected one', { place })
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
