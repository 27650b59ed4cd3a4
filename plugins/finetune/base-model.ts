/**
 * The base model of an adapter run, named by the contents of its weights: a checkpoint of an adapter goes with these and no others.
 */
import { createHash } from 'node:crypto'
import { closeSync, openSync, readdirSync, readSync, statSync } from 'node:fs'
import { basename, join } from 'node:path'
import { fileError } from '../../core/files/files.ts'

export type BaseFiles = Readonly<Record<string, string>>

const PIECE = 16 * 2 ** 20
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

/** SHA-256 of a file as hexadecimal text. */
export function hashFile(path: string): string {
  try {
    const hash = createHash('sha256')
    const piece = new Uint8Array(PIECE)
    const file = openSync(path, 'r')
    try {
      for (let length = readSync(file, piece); length > 0; length = readSync(file, piece))
        hash.update(piece.subarray(0, length))
    } finally {
      closeSync(file)
    }
    return hash.digest('hex')
  } catch (error) {
    throw fileError(error, path, 'cannot read')
  }
}

function hashOnce(path: string): string {
  const { size, mtimeMs, ino } = statSync(path)
  const key = `${path}\0${ino}\0${size}\0${mtimeMs}`
  const known = remembered.get(key)
  if (known !== undefined) return known
  const hash = hashFile(path)
  remembered.set(key, hash)
  return hash
}
