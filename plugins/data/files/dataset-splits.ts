/**
 * Which files of a folder belong to which split: the rules of Hugging Face's datasets (`datasets/data_files.py`), by names
 * alone. Shards `data/NAME-00000-of-00001.…` name their splits; else folders called train, validation, test and the like
 * decide; else files whose names have such a word; else everything is `train`.
 */

const KEYWORDS: Readonly<Record<string, readonly string[]>> = {
  train: ['train', 'training'],
  validation: ['validation', 'valid', 'dev', 'val'],
  test: ['test', 'testing', 'eval', 'evaluation'],
}

/** What may stand beside a keyword; a letter may not. */
const SEPARATORS = '[-._ 0-9]'
const SHARD = /^data\/([^/]*)-\d{5}-of-\d{5}[^/]*\.[^/]*$/
/** They describe a dataset and are not part of it. */
const IGNORED = new Set([
  'README.md',
  'config.json',
  'dataset_info.json',
  'dataset_infos.json',
  'dataset_dict.json',
])

/**
 * Split → files, each in order; `files` are paths inside the folder with `/`. A file may be in several splits; one that
 * matches a split twice is in it once.
 */
export function splitFiles(files: readonly string[]): Map<string, string[]> {
  const visible = files.filter((file) => !isHidden(file)).toSorted(byCodePoints)
  return shards(visible) ?? byKeyword(visible, inFolder) ?? byKeyword(visible, inName) ?? all(visible)
}

function isHidden(file: string): boolean {
  const parts = file.split('/')
  const name = parts.at(-1) ?? ''
  return (
    IGNORED.has(name) ||
    parts.some((part) => part.startsWith('.')) ||
    parts.slice(0, -1).some((part) => part.startsWith('__'))
  )
}

function shards(files: readonly string[]): Map<string, string[]> | undefined {
  const splits = new Map<string, string[]>()
  for (const file of files) {
    const name = SHARD.exec(file)?.[1]
    if (name !== undefined) splits.set(name, [...(splits.get(name) ?? []), file])
  }
  return splits.size > 0 ? splits : undefined
}

type Matches = (file: string, keyword: string) => readonly boolean[]

/** Files come in the order of the keywords and of the places where the keyword stands. */
function byKeyword(files: readonly string[], matches: Matches): Map<string, string[]> | undefined {
  const splits = new Map<string, string[]>()
  for (const [split, keywords] of Object.entries(KEYWORDS)) {
    const found = new Set<string>()
    for (const keyword of keywords) {
      const table = files.map((file) => matches(file, keyword))
      for (const place of table[0]?.keys() ?? [])
        files.forEach((file, i) => table[i][place] && found.add(file))
    }
    if (found.size > 0) splits.set(split, [...found])
  }
  return splits.size > 0 ? splits : undefined
}

function inFolder(file: string, keyword: string): boolean[] {
  const folders = file.split('/').slice(0, -1)
  const patterns = [
    `^${keyword}$`,
    `^${keyword}${SEPARATORS}`,
    `${SEPARATORS}${keyword}$`,
    `${SEPARATORS}${keyword}${SEPARATORS}`,
  ]
  return patterns.map((pattern) => folders.some((folder) => new RegExp(pattern).test(folder)))
}

function inName(file: string, keyword: string): boolean[] {
  const name = file.split('/').at(-1) ?? ''
  const patterns = [`^${keyword}${SEPARATORS}`, `${SEPARATORS}${keyword}${SEPARATORS}`]
  return patterns.map((pattern) => new RegExp(pattern).test(name))
}

function all(files: string[]): Map<string, string[]> {
  return new Map(files.length > 0 ? [['train', files]] : [])
}

function byCodePoints(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
