/**
 * What a folder takes: the bytes of its files, each once. Links are not followed.
 */
import { lstatSync, readdirSync } from 'node:fs'
import { join } from 'node:path'

export function folderBytes(folder: string): number {
  const seen = new Set<number>()
  let bytes = 0
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue
    const { ino, size } = lstatSync(join(entry.parentPath, entry.name))
    if (!seen.has(ino)) bytes += size
    seen.add(ino)
  }
  return bytes
}
