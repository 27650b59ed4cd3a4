/**
 * Shapes: pure functions on lists of sizes. All tensors are contiguous and row-major, so a shape says it all.
 */
import { TrituneError } from '../errors.ts'

/** Sizes of a tensor, outermost first; `[]` is one number. */
export type Shape = readonly number[]

/** Number of elements of a shape; 1 for `[]`. */
export function sizeOf(shape: Shape): number {
  let size = 1
  for (const n of shape) size *= n
  return size
}

/** Whether two shapes have the same sizes in the same order. */
export function sameShape(a: Shape, b: Shape): boolean {
  if (a.length !== b.length) return false
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false
  return true
}

/** A shape as errors show it: `(2, 3, 4)`. */
export function formatShape(shape: Shape): string {
  return `(${shape.join(', ')})`
}

/** Row-major strides of a shape, in elements. */
export function stridesOf(shape: Shape): number[] {
  const strides: number[] = Array.from({ length: shape.length })
  let stride = 1
  for (let i = shape.length - 1; i >= 0; i--) {
    strides[i] = stride
    stride *= shape[i]
  }
  return strides
}

/** NumPy's rule: aligned at the end, a size of 1 stretches. */
export function broadcastShapes(a: Shape, b: Shape): number[] {
  const rank = Math.max(a.length, b.length)
  const shape: number[] = []
  for (let i = 0; i < rank; i++) {
    const m = a[i - rank + a.length] ?? 1
    const n = b[i - rank + b.length] ?? 1
    if (m !== n && m !== 1 && n !== 1) {
      throw new TrituneError('E_SHAPE', `shapes ${formatShape(a)} and ${formatShape(b)} do not broadcast`)
    }
    shape.push(m === 1 ? n : m)
  }
  return shape
}

/** Strides of `shape` seen as `target` (0 where it is stretched). */
export function broadcastStrides(shape: Shape, target: Shape): number[] {
  const own = stridesOf(shape)
  const lead = target.length - shape.length
  return target.map((n, i) => (i < lead || (shape[i - lead] === 1 && n !== 1) ? 0 : own[i - lead]))
}

/** Throws E_SHAPE unless `shape` is exactly `expected`; `subject` names the tensor. */
export function expectShape(subject: string, shape: Shape, expected: Shape): void {
  if (!sameShape(shape, expected)) {
    throw new TrituneError(
      'E_SHAPE',
      `${subject}: expected shape ${formatShape(expected)}, got ${formatShape(shape)}`,
    )
  }
}

/** Resolves one −1 in a reshape; throws E_SHAPE when the sizes do not fit. */
export function resolveShape(from: Shape, to: Shape): number[] {
  const size = sizeOf(from)
  if (isShapeOf(to, size)) return [...to]
  const unknown = to.indexOf(-1)
  const known = sizeOf(to.filter((n) => n !== -1))
  const shape = unknown < 0 ? [...to] : to.map((n, i) => (i === unknown ? size / known : n))
  if (sizeOf(shape) !== size || shape.some((n) => !Number.isInteger(n) || n < 0)) {
    throw new TrituneError('E_SHAPE', `cannot reshape ${formatShape(from)} to ${formatShape(to)}`)
  }
  return shape
}

function isShapeOf(shape: Shape, size: number): boolean {
  let product = 1
  for (const n of shape) {
    if (!Number.isInteger(n) || n < 0) return false
    product *= n
  }
  return product === size
}

/** Axis −1 is the last one; throws E_SHAPE when out of range. */
export function resolveAxis(shape: Shape, axis: number): number {
  const resolved = axis < 0 ? axis + shape.length : axis
  if (!Number.isInteger(axis) || resolved < 0 || resolved >= shape.length) {
    throw new TrituneError('E_SHAPE', `axis ${axis} is not in shape ${formatShape(shape)}`)
  }
  return resolved
}
