/**
 * Which sources a run depends on: whatever its modules import, without types and comments, and the native library. A run that was made from the same
 * sources need not be made again.
 */
import { createHash, type Hash } from 'node:crypto'
import { closeSync, openSync, readdirSync, readFileSync, readSync, statSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { openLibrary } from '../../../core/native/library.ts'
import type { Rows } from '../compression/task.ts'

/** Hexadecimal digits of all that `modules` import by relative paths, and of libtritune_cpu. */
export function versionOf(modules: readonly string[]): string {
  const transpiler = new Bun.Transpiler({ loader: 'ts' })
  const codes = new Map<string, string>()
  const waiting = [...modules]
  for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
    if (codes.has(path)) continue
    const source = readFileSync(path, 'utf8')
    codes.set(path, path.endsWith('.ts') ? transpiler.transformSync(source) : source)
    if (!path.endsWith('.ts')) continue
    for (const { path: imported } of transpiler.scanImports(source))
      if (imported.startsWith('.')) waiting.push(resolve(dirname(path), imported))
  }
  const hash = createHash('sha256')
  // By what they say: a checkout may lie anywhere.
  for (const code of [...codes.values()].toSorted()) hash.update(`${code.length}\n${code}`)
  const { sources, compiler, isa } = openLibrary('cpu').info
  hash.update(JSON.stringify([sources, compiler, isa]))
  return hash.digest('hex').slice(0, 16)
}

/** Of the files of a model, whose folder may lie anywhere. */
export function versionOfModel(path: string): string {
  const hash = createHash('sha256')
  const files = statSync(path).isDirectory() ? readdirSync(path).map((name) => join(path, name)) : [path]
  for (const file of files.toSorted()) if (statSync(file).isFile()) hashInto(hash, file)
  return hash.digest('hex').slice(0, 16)
}

/** Of the texts that are trained and measured on. */
export function versionOfRows({ train, heldOut }: Rows): string {
  const hash = createHash('sha256')
  for (const { ids } of [...train, ...heldOut].flat()) hash.update(ids)
  return hash.digest('hex').slice(0, 16)
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** Piece by piece: weights may be larger than one buffer. */
function hashInto(hash: Hash, path: string): void {
  const piece = new Uint8Array(2 ** 24)
  const file = openSync(path, 'r')
  try {
    for (let read = readSync(file, piece); read > 0; read = readSync(file, piece))
      hash.update(piece.subarray(0, read))
  } finally {
    closeSync(file)
  }
}
