/**
 * Index spaces of strided ops: rows of {size, stride, stride}, the `dims` argument of the native ABI.
 */
import { TrituneError } from '../errors.ts'
import { expectList, expectSizes, type WalkedAxis } from '../tensor/expect.ts'

/** size, stride of the first array, stride of the second, in elements */
export type Dim = readonly [number, number, number]

const MOST_DIMS = 8

/** Drops sizes of 1 and joins neighbours that are one run in both arrays; never empty. */
export function joinDims(name: string, dims: readonly Dim[]): Dim[] {
  const joined: Dim[] = []
  for (const dim of dims) {
    const [size, first, second] = dim
    if (size === 1) continue
    const outer = joined.at(-1)
    if (outer && outer[1] === first * size && outer[2] === second * size)
      joined[joined.length - 1] = [outer[0] * size, first, second]
    else joined.push(dim)
  }
  if (joined.length > MOST_DIMS) throw new TrituneError('E_SHAPE', `${name}: more than ${MOST_DIMS} axes`)
  return joined.length > 0 ? joined : [[1, 1, 1]]
}

/** Throws E_SHAPE unless these are axes, as many as they may be. */
export function expectAxes(name: string, dims: readonly Dim[]): void {
  expectList(name, dims, 'its walk is a list of axes')
  if (!dims.every((dim) => Array.isArray(dim) && dim.length === 3))
    throw new TrituneError('E_SHAPE', `${name}: an axis is a size and two strides`)
}

/** Throws E_SHAPE unless a native call can take these dims. */
export function expectDims(name: string, dims: readonly Dim[]): void {
  expectAxes(name, dims)
  if (dims.length > MOST_DIMS) throw new TrituneError('E_SHAPE', `${name}: more than ${MOST_DIMS} axes`)
  expectSizes(
    `${name} dims`,
    dims.map(([size]) => size),
  )
}

/** The walk of the first (1) or the second array (2). */
export function axesOf(dims: readonly Dim[], column: 1 | 2): WalkedAxis[] {
  return dims.map((dim) => ({ size: dim[0], stride: dim[column] }))
}

/** The dims as a native call takes them. */
export function packDims(dims: readonly Dim[]): BigInt64Array {
  const packed = new BigInt64Array(3 * dims.length)
  for (let d = 0; d < dims.length; d++) for (let j = 0; j < 3; j++) packed[3 * d + j] = BigInt(dims[d][j])
  return packed
}

/** Calls `visit(i, first, second)` for all indices in row-major order: i counts, the others are offsets. */
export function forEachIndex(
  dims: readonly Dim[],
  visit: (index: number, first: number, second: number) => void,
): void {
  let index = 0
  const walk = (axis: number, first: number, second: number): void => {
    if (axis === dims.length) {
      visit(index++, first, second)
      return
    }
    const [size, a, b] = dims[axis]
    for (let i = 0; i < size; i++) walk(axis + 1, first + i * a, second + i * b)
  }
  walk(0, 0, 0)
}
