/**
 * Weights of a GGUF file as float32, by rows. Reads only the blocks that are asked for. Not the place where tensors are
 * renamed or permuted; see hf.ts.
 */

import { closeSync } from 'node:fs'
import { TrituneError } from '../../core/errors.ts'
import { openFile, readAll } from '../../core/files/files.ts'
import { dequantize } from './dequantize.ts'
import type { GgufFile, GgufTensor } from './read.ts'

/** A run of rows: `rowCount` rows from `rowStart` on; by default all. The rows of a vector are its elements. */
export interface RowRange {
  readonly rowStart?: number
  readonly rowCount?: number
}

/** Elements of one row (the product of all sizes but the first). */
export function rowElements(shape: readonly number[]): number {
  return shape.slice(1).reduce((product, size) => product * size, 1)
}

/**
 * Reads the stored bytes of rows, which must be whole blocks.
 * @throws E_SHAPE for rows outside the tensor, E_FILE, E_FORMAT
 */
export function readGgufRows(file: GgufFile, tensor: GgufTensor, range: RowRange = {}): Uint8Array {
  const { start, count, rows } = checkRange(file, tensor, range)
  const rowBytes = rows === 0 ? 0 : tensor.bytes / rows
  if (!Number.isInteger(rowBytes) && count !== rows) {
    throw new TrituneError('E_SHAPE', `single rows are no whole blocks of ${tensor.type.name}`, {
      place: `${file.path}: tensor "${tensor.name}"`,
    })
  }
  const bytes = new Uint8Array(count * rowBytes)
  const fd = openFile(file.path, 'r')
  try {
    readAll(fd, bytes, tensor.offset + start * rowBytes, file.path)
  } finally {
    closeSync(fd)
  }
  return bytes
}

/**
 * Reads rows as float32, decoding the blocks.
 * @throws E_UNSUPPORTED, naming the tensor and its type, when there is no decoder; otherwise as `readGgufRows`
 * @example
 * ```ts
 * import { openGguf, readGgufTensor } from 'tritune/plugins/gguf'
 *
 * const file = openGguf('my-model.gguf')
 * const table = file.tensors.get('token_embd.weight')
 * if (table) console.log(readGgufTensor(file, table, { rowStart: 0, rowCount: 2 }).length === 2 * table.shape[1]) // → true
 * ```
 */
export function readGgufTensor(file: GgufFile, tensor: GgufTensor, range: RowRange = {}): Float32Array {
  const { count } = checkRange(file, tensor, range)
  const out = new Float32Array(count * rowElements(tensor.shape))
  dequantize(tensor.type, readGgufRows(file, tensor, range), out, `${file.path}: tensor "${tensor.name}"`)
  return out
}

function checkRange(
  file: GgufFile,
  tensor: GgufTensor,
  { rowStart = 0, rowCount }: RowRange,
): { start: number; count: number; rows: number } {
  const rows = tensor.shape[0] ?? 1
  const count = rowCount ?? rows - rowStart
  if (rowStart < 0 || count < 0 || rowStart + count > rows) {
    throw new TrituneError('E_SHAPE', `rows ${rowStart}…${rowStart + count} were asked for, it has ${rows}`, {
      place: `${file.path}: tensor "${tensor.name}"`,
    })
  }
  return { start: rowStart, count, rows }
}
