/** The code blocks of the pages, and of the examples in docstrings. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { readApi } from '../../scripts/docs/api.ts'

export interface CodeBlock {
  /** File and line, or file and export. */
  readonly place: string
  readonly language: string
  readonly code: string
}

const ROOT = join(import.meta.dir, '../..')

export function pageBlocks(): CodeBlock[] {
  const pages = [
    ...readdirSync(ROOT),
    ...readdirSync(join(ROOT, 'docs'), { recursive: true, encoding: 'utf8' }).map((file) => `docs/${file}`),
    ...readdirSync(join(ROOT, 'plugins')).map((plugin) => `plugins/${plugin}/README.md`),
  ].filter((file) => file.endsWith('.md'))
  return pages.flatMap((file) => blocksOf(file, readFileSync(join(ROOT, file), 'utf8')))
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

function blocksOf(file: string, text: string): CodeBlock[] {
  return [...text.matchAll(/^```(\S*)[^\n]*\n([\s\S]*?)^```/gm)].map(({ index, 1: language, 2: code }) => ({
    place: `${file}:${text.slice(0, index).split('\n').length}`,
    language,
    code,
  }))
}
