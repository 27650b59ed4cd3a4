/**
 * What is valid YAML and still no configuration: a key that stands twice, a list as a key, something inside itself, an
 * unknown tag, nesting without end, a number that two versions of YAML read differently. In time linear in the file.
 */
import { isAlias, isMap, isScalar, isSeq } from 'yaml'
import type { Document, YAMLMap } from 'yaml'

export interface YamlFault {
  readonly what: string
  /** In the text. */
  readonly offset: number | undefined
  readonly remedy?: string
}

const DEEPEST = 100
const MOST_ALIASES = 1000

/** The first fault in the order of the text, or undefined. */
export function findYamlFault(document: Document): YamlFault | undefined {
  const [warning] = document.warnings
  if (warning?.code === 'TAG_RESOLVE_FAILED') {
    return { what: 'this tag is not known', offset: warning.pos[0], remedy: 'leave it out' }
  }
  let aliases = 0
  const anchors = new Set<string>()
  /** Those of the nodes that are being looked into. */
  const open = new Set<string>()

  const visit = (node: unknown, depth: number): YamlFault | undefined => {
    if (isAlias(node)) {
      aliases++
      if (aliases > MOST_ALIASES) return fault(node, `there are more than ${MOST_ALIASES} aliases`)
      if (!anchors.has(node.source)) return fault(node, `there is no &${node.source} before it`)
      return open.has(node.source) ? fault(node, `*${node.source} stands inside itself`) : undefined
    }
    if (!isScalar(node) && !isMap(node) && !isSeq(node)) return undefined
    const { anchor } = node
    if (anchor !== undefined) anchors.add(anchor)
    if (isScalar(node)) return ambiguousNumber(node)
    if (depth > DEEPEST) return fault(node, `nested more than ${DEEPEST} levels deep`)
    if (anchor !== undefined) open.add(anchor)
    const found = isMap(node) ? visitMap(node, depth) : firstOf(node.items, (item) => visit(item, depth + 1))
    if (anchor !== undefined) open.delete(anchor)
    return found
  }

  const visitMap = (map: YAMLMap, depth: number): YamlFault | undefined => {
    const seen = new Set<string>()
    return firstOf(map.items, ({ key, value }) => {
      if (!isScalar(key) && !isAlias(key)) return fault(key, 'a list or a mapping cannot be a key')
      const name = keyName(key)
      if (seen.has(name) && name !== '<<') return fault(key, `the key "${name}" stands here a second time`)
      seen.add(name)
      if (isScalar(key) && key.anchor !== undefined) anchors.add(key.anchor)
      return visit(value, depth + 1)
    })
  }

  return visit(document.contents, 0)
}

/** The name under which a key is found. */
export function keyName(key: unknown): string {
  if (!isScalar(key)) return String(key)
  return typeof key.value === 'symbol' ? (key.value.description ?? '') : String(key.value)
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function ambiguousNumber(node: unknown): YamlFault | undefined {
  if (!isScalar(node) || node.type !== 'PLAIN' || typeof node.value !== 'number') return undefined
  const { source } = node
  if (source === undefined || !/^[-+]?0[0-7]+$/.test(source)) return undefined
  const octal = Number.parseInt(source, 8)
  if (octal === node.value) return undefined
  return fault(
    node,
    `${source} is ${octal} for some readers of YAML and ${node.value} for others`,
    `write ${octal} or ${node.value}, or quotes around it if it is a text`,
  )
}

function fault(node: unknown, what: string, remedy?: string): YamlFault {
  return { what, offset: offsetOf(node), ...(remedy === undefined ? {} : { remedy }) }
}

/** Where a node begins. */
export function offsetOf(node: unknown): number | undefined {
  return isAlias(node) || isMap(node) || isSeq(node) || isScalar(node) ? node.range?.[0] : undefined
}

function firstOf<T>(items: readonly T[], find: (item: T) => YamlFault | undefined): YamlFault | undefined {
  for (const item of items) {
    const found = find(item)
    if (found) return found
  }
  return undefined
}
