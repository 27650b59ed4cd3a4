/**
 * The folder that a child writes its broken files to, and the right ones that they are made of.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ROOT } from '../native/process.ts'

export interface Scratch {
  readonly folder: string
  /** Writes a file and returns its path. */
  write(name: string, content: string | Uint8Array): string
}

/** Removed when the process ends, however it does, by whoever comes next at the latest. */
export function openScratch(): Scratch {
  const folder = mkdtempSync(join(tmpdir(), 'tritune-fuzz-'))
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
  return {
    folder,
    write(name, content) {
      const path = join(folder, name)
      writeFileSync(path, content)
      return path
    },
  }
}

export function seedText(path: string): string {
  return readFileSync(join(ROOT, path), 'utf8')
}

export function seedBytes(path: string): Uint8Array {
  return readFileSync(join(ROOT, path))
}

export function seedJson(path: string): unknown {
  return JSON.parse(seedText(path))
}
