/**
 * The order of rows in q and k: llama.cpp rotates neighbours where transformers rotates halves.
 *
 * Within a head of 2·half rows, transformers' row part·half + i is the file's row 2·i + part.
 */

/** The file's row of a row of transformers. */
export function fileRow(row: number, headRows: number): number {
  const inHead = row % headRows
  const half = headRows / 2
  return row - inHead + 2 * (inHead % half) + Math.floor(inHead / half)
}

/** Rows of `columns` numbers in transformers' order → in the file's. */
export function permuteRows(values: Float32Array, rows: number, heads: number): Float32Array<ArrayBuffer> {
  return reorder(values, rows, (row) => fileRow(row, rows / heads))
}

/** The way back. */
export function unpermuteRows(values: Float32Array, rows: number, heads: number): Float32Array<ArrayBuffer> {
  const places = new Uint32Array(rows)
  for (let row = 0; row < rows; row++) places[fileRow(row, rows / heads)] = row
  return reorder(values, rows, (row) => places[row])
}

/** (rows, columns) → (columns, rows) */
export function transposed(values: Float32Array, rows: number, columns: number): Float32Array<ArrayBuffer> {
  const out = new Float32Array(values.length)
  const TILE = 32
  for (let top = 0; top < rows; top += TILE)
    for (let left = 0; left < columns; left += TILE)
      for (let r = top; r < Math.min(rows, top + TILE); r++)
        for (let c = left; c < Math.min(columns, left + TILE); c++)
          out[c * rows + r] = values[r * columns + c]
  return out
}

function reorder(
  values: Float32Array,
  rows: number,
  placeOf: (row: number) => number,
): Float32Array<ArrayBuffer> {
  const columns = values.length / rows
  const out = new Float32Array(values.length)
  for (let row = 0; row < rows; row++)
    out.set(values.subarray(row * columns, (row + 1) * columns), placeOf(row) * columns)
  return out
}
