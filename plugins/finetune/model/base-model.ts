/**
 * The base model of an adapter run, named by the contents of its weights: a checkpoint of an adapter goes with these and no others.
 */
import { readdirSync, statSync } from 'node:fs'
import { basename, join } from 'node:path'
import { sha256OfFile } from '../../../core/files/hash-file.ts'

export type BaseFiles = Readonly<Record<string, string>>

const remembered = new Map<string, string>()

/** SHA-256 of the weights and of config.json, by file name. Each file is read once in a process, as long as it stays the same. */
export function baseFiles(modelPath: string): BaseFiles {
  const files = statSync(modelPath).isDirectory()
    ? readdirSync(modelPath)
        .filter((name) => name.endsWith('.safetensors') || name === 'config.json')
        .toSorted()
        .map((name) => join(modelPath, name))
    : [modelPath]
  return Object.fromEntries(files.map((file) => [basename(file), hashOnce(file)]))
}

function hashOnce(path: string): string {
  const { size, mtimeMs, ino } = statSync(path)
  const key = `${path}\0${ino}\0${size}\0${mtimeMs}`
  const known = remembered.get(key)
  if (known !== undefined) return known
  const hash = sha256OfFile(path)
  remembered.set(key, hash)
  return hash
}
