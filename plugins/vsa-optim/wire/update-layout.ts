/**
 * UpdateLayout: all that is trained in one array, tensor after tensor in the order of their names. Whoever has the same tensors has the same layout,
 * in whatever order their maps are.
 */
import { type Shape, sizeOf, type Tensor, TrituneError } from '../../../core/mod.ts'

/** One tensor and where its numbers lie. */
export interface LaidTensor {
  readonly name: string
  readonly shape: Shape
  readonly start: number
  readonly size: number
}

/** Where each tensor lies in the array of all. */
export interface UpdateLayout {
  readonly tensors: readonly LaidTensor[]
  /** Numbers of all together. */
  readonly length: number
}

/**
 * The layout of tensors by name. Throws E_VALUE where there are none, or one is empty.
 *
 * @example
 * ```ts
 * import { updateLayout } from 'tritune/plugins/vsa-optim'
 *
 * const { tensors, length } = updateLayout(new Map([['b', { shape: [3] }], ['a', { shape: [2, 2] }]]))
 * console.log(tensors.map(({ name, start }) => `${name} at ${start}`).join(', '), length) // → a at 0, b at 4 7
 * ```
 */
export function updateLayout(parameters: ReadonlyMap<string, { readonly shape: Shape }>): UpdateLayout {
  const tensors: LaidTensor[] = []
  let length = 0
  for (const [name, { shape }] of [...parameters].toSorted(([a], [b]) => (a < b ? -1 : 1))) {
    const size = sizeOf(shape)
    if (size === 0) throw new TrituneError('E_VALUE', `the tensor ${name} is empty`)
    tensors.push({ name, shape, start: length, size })
    length += size
  }
  if (length === 0) throw new TrituneError('E_VALUE', 'there is nothing to send: no tensors')
  return { tensors, length }
}

/** What is in the tensors, in the order of the layout. */
export function readInto(
  all: Float32Array,
  { tensors }: UpdateLayout,
  parameters: ReadonlyMap<string, Tensor>,
): void {
  for (const { name, start, size } of tensors) {
    const numbers = expectTensor(parameters, name, size).toArray()
    all.set(numbers, start)
  }
}

/** Puts the numbers into the tensors; f32 ones, so that nothing is rounded. */
export function writeFrom(
  all: Float32Array,
  { tensors }: UpdateLayout,
  parameters: ReadonlyMap<string, Tensor>,
): void {
  for (const { name, start, size } of tensors)
    expectTensor(parameters, name, size).set(all.subarray(start, start + size))
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function expectTensor(parameters: ReadonlyMap<string, Tensor>, name: string, size: number): Tensor {
  const tensor = parameters.get(name)
  if (tensor?.size === size) return tensor
  throw new TrituneError(
    'E_SHAPE',
    tensor
      ? `the tensor ${name} has ${tensor.size} numbers, the layout ${size}`
      : `there is no tensor ${name}`,
  )
}
