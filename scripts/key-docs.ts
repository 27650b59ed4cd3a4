/**
 * `bun scripts/key-docs.ts [--write]`: whether docs/yaml.md, docs/axolotl-keys.md and the comments of `FinetuneInput` and `DatasetInput`
 * say of each key what `key-docs.ts` and `keys/` say; with --write they do afterwards.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { axolotlKeysPage } from './axolotl-keys-page.ts'
import { DATASET_KEY_DOCS } from '../plugins/data/mod.ts'
import { KEY_DOCS, plainDoc } from '../plugins/finetune/mod.ts'

type Docs = Readonly<Record<string, string>>

const PAGE = 'docs/yaml.md'
const DATASET_SECTION = 'An entry of `datasets`'
const INTERFACES: readonly (readonly [file: string, docs: Docs])[] = [
  ['plugins/finetune/config/finetune-input.ts', KEY_DOCS],
  ['plugins/finetune/config/data-input.ts', KEY_DOCS],
  ['plugins/finetune/config/preference-input.ts', KEY_DOCS],
  ['plugins/finetune/config/saving-input.ts', KEY_DOCS],
  ['plugins/finetune/config/tracker-input.ts', KEY_DOCS],
  ['plugins/data/options/dataset-input.ts', DATASET_KEY_DOCS],
]
const WIDTH = 110

/** The files that are not as `key-docs.ts` would have them, and what they would be. */
export function outdatedKeyDocs(): ReadonlyMap<string, string> {
  const outdated = new Map<string, string>()
  const compare = (file: string, change: (before: string) => string): void => {
    const before = readFileSync(pathOf(file), 'utf8')
    const after = change(before)
    if (after !== before) outdated.set(file, after)
  }
  const page = readFileSync(pathOf(PAGE), 'utf8')
  compare(PAGE, withCells)
  compare('docs/axolotl-keys.md', axolotlKeysPage)
  for (const [file, docs] of INTERFACES) {
    compare(file, (source) => withComments(source, docs, defaultsOf(page, docs === DATASET_KEY_DOCS)))
  }
  return outdated
}

// ---- helpers ----------------------------------------------------------------------------------------------------

const ROW = /^\| `(\w+)` \| (.+?) \| .*\|$/

/** The page with the third cell of each row. */
function withCells(page: string): string {
  let docs: Docs = KEY_DOCS
  return page
    .split('\n')
    .map((line) => {
      if (line.startsWith('#')) docs = line.endsWith(DATASET_SECTION) ? DATASET_KEY_DOCS : KEY_DOCS
      const [, key, cell] = ROW.exec(line) ?? []
      return key !== undefined && Object.hasOwn(docs, key) ? `| \`${key}\` | ${cell} | ${docs[key]} |` : line
    })
    .join('\n')
}

/** Key → default as the page has it. */
function defaultsOf(page: string, ofDatasets: boolean): ReadonlyMap<string, string> {
  const defaults = new Map<string, string>()
  for (const section of page.split(/^#+ /m)) {
    if (section.startsWith(DATASET_SECTION) !== ofDatasets) continue
    for (const line of section.split('\n')) {
      const [, key, cell] = ROW.exec(line) ?? []
      if (key !== undefined && cell.startsWith('`')) defaults.set(key, cell)
    }
  }
  return defaults
}

/** The source of an interface with the comment of each member whose key has one. */
function withComments(source: string, docs: Docs, defaults: ReadonlyMap<string, string>): string {
  const lines: string[] = []
  for (const line of source.split('\n')) {
    const key = /^ {2}readonly (\w+)\??: /.exec(line)?.[1]
    if (key !== undefined && Object.hasOwn(docs, key)) {
      if (lines.at(-1)?.endsWith('*/')) while (lines.length > 0 && !lines.pop()?.startsWith('  /**')) continue
      const default_ = defaults.get(key)
      lines.push(...commentOf(`${plainDoc(docs[key])}${default_ ? `. Default: ${default_}` : ''}`))
    }
    lines.push(line)
  }
  return lines.join('\n')
}

function commentOf(text: string): string[] {
  if (text.length + 9 <= WIDTH) return [`  /** ${text} */`]
  const lines = ['']
  for (const word of text.split(' ')) {
    const line = lines.at(-1) ?? ''
    if (line !== '' && line.length + word.length + 6 > WIDTH) lines.push(word)
    else lines[lines.length - 1] = line === '' ? word : `${line} ${word}`
  }
  return ['  /**', ...lines.map((line) => `   * ${line}`), '   */']
}

function pathOf(file: string): string {
  return fileURLToPath(new URL(`../${file}`, import.meta.url))
}

if (import.meta.main) {
  const outdated = outdatedKeyDocs()
  const isWriting = process.argv.includes('--write')
  if (isWriting) for (const [file, text] of outdated) writeFileSync(pathOf(file), text)
  for (const file of outdated.keys()) console.log(`${file} ${isWriting ? 'is written' : 'is outdated'}`)
  if (outdated.size > 0 && !isWriting) process.exitCode = 1
}
