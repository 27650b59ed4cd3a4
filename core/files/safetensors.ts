/**
 * Files in the safetensors format, read: descriptions of the tensors in one file, and their bytes. Makes no tensors and maps
 * no memory; who does takes `file`, `offset` and `bytes` from an entry. What a header means is in safetensors-header.ts, writing in
 * safetensors-write.ts.
 */

import { closeSync, fstatSync } from 'node:fs'
import { TrituneError } from '../errors.ts'
import { fileError, openFile, readAll } from './files.ts'
import { parseSafetensors, type SafetensorsFile, type TensorEntry } from './safetensors-header.ts'

export {
  SAFETENSORS_BITS,
  type SafetensorsFile,
  tensorDType,
  type TensorEntry,
} from './safetensors-header.ts'

/**
 * Reads and checks the header of a safetensors file.
 * @throws E_FILE when it cannot be read; E_FORMAT, naming the file and the tensor, for a truncated file, a header that is
 * no valid JSON, unknown dtypes, sizes that do not fit their shape, and offsets that overlap, leave holes or leave the file
 */
export function openSafetensors(path: string): SafetensorsFile {
  const fd = openFile(path, 'r')
  try {
    const stat = fstatSync(fd)
    if (!stat.isFile())
      throw new TrituneError('E_FILE', 'it is a folder, not a safetensors file', { place: path })
    return parseSafetensors(path, stat.size, (start, length) => {
      const bytes = new Uint8Array(length)
      readAll(fd, bytes, start, path)
      return bytes
    })
  } catch (error) {
    throw fileError(error, path, 'cannot read')
  } finally {
    closeSync(fd)
  }
}

/**
 * Reads `bytes` bytes of a tensor, from byte `offset` of the tensor on; by default all of it.
 * @throws E_SHAPE when the range leaves the tensor, E_FILE, E_FORMAT when the file got shorter meanwhile
 */
export function readEntry(
  entry: TensorEntry,
  { offset = 0, bytes = entry.bytes - offset }: { offset?: number; bytes?: number } = {},
): Uint8Array {
  const target = new Uint8Array(Math.max(0, bytes))
  readEntryInto(entry, target, { offset, bytes })
  return target
}

/** As `readEntry`, into existing memory of exactly the wanted length. */
export function readEntryInto(
  entry: TensorEntry,
  target: Uint8Array,
  { offset = 0, bytes = target.length }: { offset?: number; bytes?: number } = {},
): void {
  if (offset < 0 || bytes < 0 || offset + bytes > entry.bytes || bytes !== target.length) {
    throw new TrituneError(
      'E_SHAPE',
      `bytes ${offset}…${offset + bytes} were asked for, it has ${entry.bytes}`,
      {
        place: `${entry.file}: tensor "${entry.name}"`,
      },
    )
  }
  const fd = openFile(entry.file, 'r')
  try {
    readAll(fd, target, entry.offset + offset, entry.file)
  } finally {
    closeSync(fd)
  }
}
