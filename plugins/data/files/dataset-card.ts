/**
 * The configurations of a dataset on the hub: `configs:` in the YAML at the start of its README.md, which says which files are which split
 * (https://huggingface.co/docs/hub/datasets-manual-configuration). The rest of the card is not read.
 */
import { parse } from 'yaml'
import { didYouMean, TrituneError } from '../../../core/errors.ts'
import { isMapping } from '../chat/chat-tools.ts'
import { globbed } from './glob.ts'
import { splitFiles } from './dataset-splits.ts'

/** Split → paths of a configuration; `name`: null for the default one. Throws E_DATA when there is no such configuration. */
export function splitsOfCard(
  card: string,
  paths: readonly string[],
  name: string | null,
  place: string,
): Map<string, string[]> {
  const configs = configsOf(card)
  const names = configs.map((config) => String(config['config_name'] ?? 'default'))
  if (configs.length === 0) {
    if (name === null || name === 'default') return splitFiles([...paths])
    throw noConfig(name, ['default'], place)
  }
  const index = chosen(configs, names, name)
  if (index < 0) throw name === null ? unclear(names, place) : noConfig(name, names, place)
  const { data_files, data_dir } = configs[index]
  const folder = typeof data_dir === 'string' ? `${data_dir.replace(/^\.?\/|\/$/g, '')}/` : ''
  const inside = paths.filter((path) => path.startsWith(folder)).map((path) => path.slice(folder.length))
  const splits = data_files === undefined ? splitFiles(inside) : splitsOf(data_files, inside)
  return new Map([...splits].map(([split, files]) => [split, files.map((file) => folder + file)]))
}

// ---- helpers ----------------------------------------------------------------------------------------------------

type Config = Readonly<Record<string, unknown>>

function configsOf(card: string): Config[] {
  const head = /^\uFEFF?---\r?\n([^]*?)\r?\n---/.exec(card)?.[1]
  if (head === undefined) return []
  let value: unknown
  try {
    value = parse(head)
  } catch {
    // A card that is no YAML says nothing; the names of the files do.
    return []
  }
  const configs = isMapping(value) ? value['configs'] : undefined
  return Array.isArray(configs) ? configs.filter(isMapping) : []
}

function chosen(configs: readonly Config[], names: readonly string[], name: string | null): number {
  if (name !== null) return names.indexOf(name)
  const marked = configs.findIndex((config) => config['default'] === true)
  if (marked >= 0) return marked
  return configs.length === 1 ? 0 : names.indexOf('default')
}

/** A pattern or a list of them is the split train; a list of `{ split, path }` or a mapping names its splits. */
function splitsOf(files: unknown, paths: readonly string[]): Map<string, string[]> {
  const patterns = new Map<string, string[]>()
  const add = (split: string, pattern: unknown): void => {
    const list: unknown[] = Array.isArray(pattern) ? pattern : [pattern]
    patterns.set(split, [...(patterns.get(split) ?? []), ...list.filter((one) => typeof one === 'string')])
  }
  if (isMapping(files)) for (const [split, pattern] of Object.entries(files)) add(split, pattern)
  else if (Array.isArray(files)) {
    for (const entry of files)
      if (isMapping(entry)) add(String(entry['split'] ?? 'train'), entry['path'])
      else add('train', entry)
  } else add('train', files)
  return new Map(
    [...patterns].map(([split, some]) => [split, [...new Set(some.flatMap((one) => globbed(one, paths)))]]),
  )
}

function noConfig(name: string, names: readonly string[], place: string): TrituneError {
  return new TrituneError(
    'E_DATA',
    `the dataset has no configuration "${name}"; ${didYouMean(name, names)}`,
    { place },
  )
}

function unclear(names: readonly string[], place: string): TrituneError {
  return new TrituneError(
    'E_DATA',
    `the dataset has several configurations and none is its default: ${names.join(', ')}`,
    {
      place,
      remedy: `set name, for example name: ${names[0]}`,
    },
  )
}
