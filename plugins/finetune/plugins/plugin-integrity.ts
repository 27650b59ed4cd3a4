/**
 * What a plugin's code is, as one SHA-256: so that a run can say what it trained with, and tell when that has changed.
 *
 * Of a package it covers every file of code and package.json, without the packages that it needs. Of a single module it covers the file and
 * those that it imports by a relative path.
 */
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'

/** `sha256-` and 64 hexadecimal digits. */
export function packageIntegrity(folder: string): string {
  return integrityOf(folder, codeIn(folder))
}

/** See `packageIntegrity()`. */
export function moduleIntegrity(file: string): string {
  return integrityOf(dirname(file), importedFiles(file))
}

/** The file, and those that it imports by a relative path. */
export function importedFiles(file: string): string[] {
  const seen = new Set<string>()
  const waiting = [file]
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    if (seen.has(next)) continue
    seen.add(next)
    for (const [, target] of readFileSync(next, 'utf8').matchAll(RELATIVE_IMPORT)) {
      const imported = resolve(dirname(next), target)
      if (existsSync(imported) && statSync(imported).isFile()) waiting.push(imported)
    }
  }
  return [...seen]
}

// ---- helpers ----------------------------------------------------------------------------------------------------

const CODE = /\.([cm]?[jt]sx?|json|wasm|node|so|dylib|dll)$/
const RELATIVE_IMPORT = /(?:\bfrom|\bimport)\s*\(?\s*['"](\.{1,2}\/[^'"]+)['"]/g

function codeIn(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name)
    if (entry.isDirectory())
      return entry.name === 'node_modules' || entry.name.startsWith('.') ? [] : codeIn(path)
    return entry.isFile() && CODE.test(entry.name) ? [path] : []
  })
}

function integrityOf(folder: string, files: readonly string[]): string {
  const all = createHash('sha256')
  const named = files.map((file) => [relative(folder, file).replaceAll('\\', '/'), file] as const)
  for (const [name, file] of named.toSorted(([a], [b]) => (a < b ? -1 : 1)))
    all.update(`${name}\0${createHash('sha256').update(readFileSync(file)).digest('hex')}\n`)
  return `sha256-${all.digest('hex')}`
}
