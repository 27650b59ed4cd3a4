/**
 * Keys that nobody here knows: the nearest that is known, or, in a file of another tool, what the key is called here.
 */
import { type ConfigFailure, type ConfigPath, formatPath } from '../../../core/contracts/config.ts'
import { shortText } from '../../../core/contracts/show-value.ts'
import { didYouMean, nearestNames } from '../../../core/errors.ts'
import { type ForeignTool, foreignToolOf } from './foreign-keys.ts'

export interface UnknownKeys {
  readonly failures: readonly ConfigFailure[]
  /** Paths of keys that need not be asked for: they are given under another tool's name, or misspelt. */
  readonly answered: readonly string[]
  /** Whose file this looks like. */
  readonly tool?: ForeignTool | undefined
}

export interface KeyContext {
  /** The keys beside them that are known. */
  readonly given: Readonly<Record<string, unknown>>
  /** All names that could have been meant. */
  readonly known: readonly string[]
  readonly path: ConfigPath
}

/** Finding the nearest name takes time; nobody reads more of them. */
const SUGGESTED = 20

export function unknownKeyFailures(names: readonly string[], context: KeyContext): UnknownKeys {
  const { given, known, path } = context
  const tool = path.length === 0 ? foreignToolOf(names) : undefined
  const many = tool !== undefined && names.filter((name) => Object.hasOwn(tool.keys, name)).length > 1
  let suggested = 0
  const answered: string[] = []
  const failures = names.map((name): ConfigFailure => {
    const foreign = foreignHint(tool, name, many)
    // What a key of another tool is called here is known; that it looks like another one says nothing.
    if (foreign === undefined && suggested < SUGGESTED) answered.push(...nearestNames(name, known, 1))
    const hint = foreign ?? (suggested++ < SUGGESTED ? `; ${didYouMean(name, known)}` : '')
    return { path: [...path, name], what: `unknown key "${shortText(name)}"${hint}`, code: 'E_CONFIG_KEY' }
  })
  const paths = (keys: readonly string[]): string[] => keys.map((key) => formatPath([...path, key]))
  if (tool === undefined) return { failures, answered: paths(answered) }
  const differing = Object.entries(tool.differs ?? {})
    .filter(([key]) => Object.hasOwn(given, key))
    .map(([key, here]): ConfigFailure => ({
      path: [key],
      what: `this looks like a file of ${tool.name}, where it means what is ${here} here`,
      code: 'E_CONFIG_KEY',
    }))
  const translated = names
    .filter((name) => Object.hasOwn(tool.keys, name))
    .flatMap((name) => tool.keys[name].match(/^\w+/) ?? [])
  return { failures: [...failures, ...differing], answered: paths([...answered, ...translated]), tool }
}

/** One key alone can have come from anywhere. */
function foreignHint(tool: ForeignTool | undefined, name: string, many: boolean): string | undefined {
  if (tool === undefined || !Object.hasOwn(tool.keys, name)) return undefined
  const here = tool.keys[name]
  const file = many ? `this looks like a file of ${tool.name}` : `it is one of ${tool.name}`
  return `: ${file}; ${here.startsWith('nothing') ? here.replace(/^nothing/, 'leave it out here') : `here the key is ${here}`}`
}
