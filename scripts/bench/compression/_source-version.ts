/**
 * What a number was computed by: a hash over a file, everything that it imports from this repository, and the native library. Another comment is another
 * version, too: rather a run too many than a number of other code.
 */
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'

/** Imports and re-exports of files beside it; those of types alone are erased, and do not count. */
const IMPORTS = /^(?:import|export)\s(?!type\b)[^'"`;]*?from\s+'(\.[^']+)'|\bimport\(\s*'(\.[^']+)'/gm

/** Hexadecimal. `more`: anything else that it depends on, such as the hash of a library. */
export function sourceVersion(entries: readonly string[], more: readonly string[] = []): string {
  const hash = createHash('sha256')
  for (const [path, text] of reached(entries)) hash.update(`${path}\0${text}\0`)
  for (const one of more) hash.update(`${one}\0`)
  return hash.digest('hex')
}

/** Texts by path, in the order of the paths. */
function reached(entries: readonly string[]): [string, string][] {
  const texts = new Map<string, string>()
  const waiting = [...entries]
  for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
    if (texts.has(path)) continue
    const text = readFileSync(path, 'utf8')
    texts.set(path, text)
    if (!path.endsWith('.ts')) continue
    for (const [, from, lazy] of text.matchAll(IMPORTS)) waiting.push(join(dirname(path), from ?? lazy))
  }
  const root = dirname(entries[0])
  return [...texts]
    .map(([path, text]): [string, string] => [relative(root, path), text])
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
}
