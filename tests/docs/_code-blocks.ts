/** The code blocks of the pages, and of the examples in docstrings. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { readApi } from '../../scripts/docs/api.ts'

export interface CodeBlock {
  /** File and line, or file and export. */
  readonly place: string
  readonly language: string
  readonly code: string
  /** The content of an HTML comment `<!-- run … -->` under the block: what a reader would do with it. */
  readonly after: string
}

const ROOT = join(import.meta.dir, '../..')

/** Of the pages at the root, in docs/, of plugins and of templates. */
export function pageBlocks(): CodeBlock[] {
  const below = (folder: string): string[] =>
    readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' }).map((file) => `${folder}/${file}`)
  const pages = [...readdirSync(ROOT), ...below('docs'), ...below('plugins'), ...below('templates')]
  return pages
    .filter((file) => file.endsWith('.md'))
    .toSorted()
    .flatMap((file) => blocksOf(file, readFileSync(join(ROOT, file), 'utf8')))
}

export function exampleBlocks(): CodeBlock[] {
  return readApi(ROOT).flatMap(({ symbols }) =>
    symbols.flatMap(({ name, file, tags }) =>
      tags
        .filter(({ kind }) => kind === 'example')
        .flatMap(({ doc }) => blocksOf(`${file} ${name}`, doc ?? '')),
    ),
  )
}

export function isTypeScript({ language }: CodeBlock): boolean {
  return language === 'ts' || language === 'typescript'
}

/** Without an import it is an excerpt of a longer file, which is run as a whole. */
export function isExcerpt({ code }: CodeBlock): boolean {
  return !/^import /m.test(code)
}

/** Why a block says that it is not run; the reader sees it. */
export function reasonNotToRun({ code }: CodeBlock): string | undefined {
  return /^\/\/ Not run by the tests: (.+)$/m.exec(code)?.[1]
}

/** What is compiled and run: the block, and what comes after it. */
export function wholeCode({ code, after }: CodeBlock): string {
  return `${code}\n${after}\nexport {}\n`
}

function blocksOf(file: string, text: string): CodeBlock[] {
  return [...text.matchAll(/^```(\S*)[^\n]*\n([\s\S]*?)^```(?:\n+<!-- run\n([\s\S]*?)-->)?/gm)].map(
    ({ index, 1: language, 2: code, 3: after = '' }) => ({
      place: `${file}:${text.slice(0, index).split('\n').length}`,
      language,
      code,
      after,
    }),
  )
}
