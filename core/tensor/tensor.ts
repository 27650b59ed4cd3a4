/**
 * Tensor: a contiguous, row-major array on one device. A handle: the memory belongs to a Storage that views share.
 *
 * Made under a `tensorScope()` it dies with the scope; made outside it is yours (`using t = …` or `t.dispose()`).
 * Maths lives in core/ops as functions; this file is memory, shape and access only.
 */
import type { ArrayView, Device } from '../contracts/device.ts'
import { defaultDevice } from './default-device.ts'
import { type DType, DTYPES, type HostArray, numbersOf, writeElement } from './dtype.ts'
import { markCore } from '../copies.ts'
import { TrituneError } from '../errors.ts'
import { expectSizes } from './expect.ts'
import { currentScope, type Owned, type Scope } from './scope.ts'
import { formatShape, resolveShape, type Shape, sizeOf } from './shape.ts'
import { Storage } from './storage.ts'
import { type GradientSource, linksOf, record, type Taped } from './tape.ts'
import { copyElements } from './tensor-bytes.ts'

/**
 * Options of making a tensor: dtype, f32 unless said otherwise, and the device, the default one unless said otherwise.
 */
export interface TensorOptions {
  readonly dtype?: DType
  readonly device?: Device
}

let liveTensors = 0

/**
 * A contiguous, row-major array on one device. A handle: views share the memory. Made under a `tensorScope()` it dies
 * with the scope; made outside it is yours (`using t = …` or `t.dispose()`). Ops are functions: `add(a, b)`, not
 * methods.
 */
export class Tensor implements ArrayView, Taped, Owned, Disposable {
  readonly shape: Shape
  readonly dtype: DType
  readonly storage: Storage
  /** Byte offset into the storage. */
  readonly offset: number
  /** A leaf that asks for gradients. Set with `parameter()`; results of ops carry `source` instead. */
  requiresGrad = false
  /** Of a leaf: the f32 sum of gradients since it was last cleared; same shape. */
  grad: Tensor | null = null
  /** Of a result: the node that made it, and under which output name. */
  source: GradientSource | null = null
  sourceOutput = ''

  #scope: Scope | null
  #disposed = false

  constructor(
    storage: Storage,
    shape: Shape,
    dtype: DType,
    offset = 0,
    scope: Scope | null = currentScope(),
  ) {
    const { bytes } = DTYPES[dtype]
    expectSizes('a tensor', shape, bytes)
    if (!(Number.isSafeInteger(offset) && offset >= 0 && offset + sizeOf(shape) * bytes <= storage.bytes))
      throw new TrituneError(
        'E_SHAPE',
        `a tensor of ${formatShape(shape)} ${dtype} at byte ${offset} leaves its memory of ${storage.bytes} bytes`,
      )
    this.storage = storage
    this.shape = shape
    this.dtype = dtype
    this.offset = offset
    this.#scope = scope
    this.#scope?.own(this)
    liveTensors++
  }

  get device(): Device {
    return this.storage.device
  }

  get size(): number {
    return sizeOf(this.shape)
  }

  get bytes(): number {
    return this.size * DTYPES[this.dtype].bytes
  }

  /** Number of rows when the last axis is a row: the product of the other sizes. */
  get rows(): number {
    return sizeOf(this.shape.slice(0, -1))
  }

  /** Address for native calls. */
  get address(): number {
    this.#check()
    return this.storage.address + this.offset
  }

  get needsGrad(): boolean {
    return this.requiresGrad || this.source !== null
  }

  /** Zero-copy view of the elements (bf16 and f16 as bits). Valid until the memory is freed. E_DEVICE on a GPU. */
  host(): HostArray {
    this.#check()
    const buffer = this.storage.host
    if (!buffer)
      throw new TrituneError('E_DEVICE', `the memory of a tensor on ${this.device.name} has no host view`, {
        remedy: 'use toArray(), which copies, or to(device)',
      })
    return new DTYPES[this.dtype].array(buffer, this.offset, this.size)
  }

  /** A copy of the elements as numbers. */
  toArray(): Float32Array {
    this.#check()
    return numbersOf(this.dtype, this.storage.host ? this.host() : this.#download())
  }

  /** The only element of a one-element tensor. */
  item(): number {
    if (this.size !== 1)
      throw new TrituneError(
        'E_SHAPE',
        `item() needs one element, this tensor has shape ${formatShape(this.shape)}`,
      )
    return this.toArray()[0]
  }

  /** Overwrites the elements; numbers are rounded to the dtype. */
  set(values: ArrayLike<number>): void {
    if (values.length !== this.size) {
      throw new TrituneError(
        'E_SHAPE',
        `set() needs ${this.size} values for shape ${formatShape(this.shape)}, got ${values.length}`,
      )
    }
    if (!this.storage.host && this.device.write) this.device.write(this.address, encoded(this.dtype, values))
    else fill(this.dtype, this.host(), values)
  }

  /**
   * The same numbers on another device; another handle on the same memory when they are there already. Recorded on the
   * tape: gradients come back to this tensor's device. Of a parameter it gives a result, not a parameter.
   */
  to(device: Device): Tensor {
    this.#check()
    const links = linksOf<Tensor>({ x: this })
    const from = this.device
    const y = device === from ? this.view() : copyTo(this, device)
    if (!links) return y
    try {
      const backward = ({ y: dy }: { readonly y?: Tensor }): { x?: Tensor } => ({ x: dy?.to(from) })
      record({ name: 'to', links, backward, release() {} }, { y })
      return y
    } catch (error) {
      y.dispose()
      throw error
    }
  }

  /** Another handle on the same memory with another shape (one size may be −1). Not recorded on the tape: use reshape(). */
  view(shape: Shape = this.shape): Tensor {
    this.#check()
    const resolved = shape === this.shape ? shape : resolveShape(this.shape, shape)
    return new Tensor(this.storage.retain(), resolved, this.dtype, this.offset)
  }

  /** A handle on the elements from `start`, as many as `shape` has. Not recorded on the tape: use slice(). */
  window(shape: Shape, start: number): Tensor {
    this.#check()
    expectSizes('a window', shape)
    if (!(Number.isSafeInteger(start) && start >= 0 && start + sizeOf(shape) <= this.size)) {
      throw new TrituneError(
        'E_SHAPE',
        `a window of ${formatShape(shape)} at element ${start} leaves ${this.toString()}`,
      )
    }
    return new Tensor(
      this.storage.retain(),
      shape,
      this.dtype,
      this.offset + start * DTYPES[this.dtype].bytes,
    )
  }

  /** A handle on `count` consecutive rows (entries of the first axis) from `start`. */
  rowsView(start: number, count: number): Tensor {
    const row = this.shape.slice(1)
    return this.window([count, ...row], start * sizeOf(row))
  }

  /** Another handle on the same memory that no scope owns: whoever asked disposes it. */
  alias(): Tensor {
    this.#check()
    return new Tensor(this.storage.retain(), this.shape, this.dtype, this.offset, null)
  }

  /** Used by Scope: changes the owner. */
  adopt(scope: Scope | null): void {
    this.#scope?.disown(this)
    this.#scope = scope
    scope?.own(this)
  }

  get disposed(): boolean {
    return this.#disposed
  }

  dispose(): void {
    if (this.#disposed) return
    this.#disposed = true
    this.#scope?.disown(this)
    this.#scope = null
    this.grad?.dispose()
    this.grad = null
    this.storage.release()
    liveTensors--
  }

  [Symbol.dispose](): void {
    this.dispose()
  }

  toString(): string {
    return `Tensor${formatShape(this.shape)} ${this.dtype} on ${this.device.name}`
  }

  #check(): void {
    if (this.#disposed) {
      throw new TrituneError(
        'E_DISPOSED',
        `a tensor of shape ${formatShape(this.shape)} was used after it was disposed`,
        {
          remedy: 'return it through scope.keep(…) if it has to outlive its scope',
        },
      )
    }
  }

  #download(): HostArray {
    const bytes = this.device.read?.(this.address, this.bytes)
    if (!bytes) throw new TrituneError('E_DEVICE', `${this.device.name} cannot read its memory back`)
    return new DTYPES[this.dtype].array(bytes.buffer, bytes.byteOffset, this.size)
  }
}

markCore(Tensor.prototype)

/**
 * A tensor whose memory is not initialised, for who writes all of it; f32 on the default device unless said otherwise.
 */
export function empty(shape: Shape, { dtype = 'f32', device = defaultDevice() }: TensorOptions = {}): Tensor {
  if (!Object.hasOwn(DTYPES, dtype))
    throw new TrituneError(
      'E_DTYPE',
      `there is no dtype ${String(dtype)}: known are ${Object.keys(DTYPES).join(', ')}`,
    )
  const { bytes } = DTYPES[dtype]
  expectSizes('a new tensor', shape, bytes)
  return new Tensor(new Storage(device, sizeOf(shape) * bytes), [...shape], dtype)
}

/**
 * A tensor of zeros, f32 on the default device unless said otherwise.
 *
 * @example
 * ```ts
 * import { zeros } from 'tritune/core'
 *
 * using x = zeros([2, 3], { dtype: 'bf16' })
 * console.log(x.size, x.bytes) // → 6 12
 * ```
 */
export function zeros(shape: Shape, options: TensorOptions = {}): Tensor {
  const tensor = empty(shape, options)
  try {
    clear(tensor)
  } catch (error) {
    tensor.dispose()
    throw error
  }
  return tensor
}

/** Sets every element to 0, whatever was there. Not recorded: for gradients and statistics. */
export function clear(tensor: Tensor): void {
  if (tensor.device.zero) tensor.device.zero(tensor.address, tensor.bytes)
  else if (tensor.storage.host) new Uint8Array(tensor.storage.host, tensor.offset, tensor.bytes).fill(0)
  else tensor.set(new Float32Array(tensor.size))
}

/**
 * From numbers; the shape is (length) unless given.
 *
 * @example
 * ```ts
 * import { tensor } from 'tritune/core'
 *
 * using x = tensor([1, 2, 3, 4], { shape: [2, 2] })
 * console.log(x.shape, x.dtype, [...x.toArray()]) // → [ 2, 2 ] f32 [ 1, 2, 3, 4 ]
 * ```
 */
export function tensor(
  values: ArrayLike<number>,
  { shape = [values.length], ...options }: TensorOptions & { readonly shape?: Shape } = {},
): Tensor {
  expectSizes('a new tensor', shape)
  if (sizeOf(shape) !== values.length)
    throw new TrituneError('E_SHAPE', `${values.length} values do not fill shape ${formatShape(shape)}`)
  const made = empty(shape, options)
  try {
    made.set(values)
  } catch (error) {
    made.dispose()
    throw error
  }
  return made
}

/**
 * Marks a tensor as a leaf whose gradient is wanted; returns it.
 *
 * @example
 * ```ts
 * import { backward, mul, parameter, sum, tensor, tensorScope } from 'tritune/core'
 *
 * using _scope = tensorScope()
 * const w = parameter(tensor([1, 2, 3]))
 * backward(sum(mul(w, w)))
 * console.log([...(w.grad?.toArray() ?? [])]) // → [ 2, 4, 6 ]
 * ```
 */
export function parameter(leaf: Tensor): Tensor {
  leaf.requiresGrad = true
  return leaf
}

/**
 * Number of tensors alive: tests compare it before and after.
 *
 * @example
 * ```ts
 * import { countLiveTensors, tensor } from 'tritune/core'
 *
 * const before = countLiveTensors()
 * const x = tensor([1])
 * x.dispose()
 * console.log(countLiveTensors() - before) // → 0
 * ```
 */
export function countLiveTensors(): number {
  return liveTensors
}

function copyTo(source: Tensor, device: Device): Tensor {
  const copy = empty(source.shape, { dtype: source.dtype, device })
  try {
    copyElements(copy, source)
    return copy
  } catch (error) {
    copy.dispose()
    throw error
  }
}

/** Numbers as bytes of a dtype; no copy where they are that already. */
function encoded(dtype: DType, values: ArrayLike<number>): Uint8Array {
  const { array } = DTYPES[dtype]
  const isReady =
    (dtype === 'f32' && values instanceof Float32Array) || (dtype === 'i32' && values instanceof Int32Array)
  if (isReady) return new Uint8Array(values.buffer, values.byteOffset, values.byteLength)
  const staged = new array(new ArrayBuffer(values.length * DTYPES[dtype].bytes), 0, values.length)
  fill(dtype, staged, values)
  return new Uint8Array(staged.buffer)
}

function fill(dtype: DType, target: HostArray, values: ArrayLike<number>): void {
  const range = isTypedAs(dtype, values) ? null : INTEGERS[dtype]
  if (range) expectIntegers(dtype, range, values)
  if (dtype === 'bf16' || dtype === 'f16')
    for (let i = 0; i < values.length; i++) writeElement(dtype, target, i, values[i])
  else target.set(values)
}

/** Integer dtypes wrap what they cannot hold, so that 2³² + 1 would become a valid id. */
const INTEGERS: { readonly [D in DType]: readonly [number, number] | null } = {
  f32: null,
  bf16: null,
  f16: null,
  i32: [-(2 ** 31), 2 ** 31 - 1],
  u8: [0, 255],
  i8: [-128, 127],
}

function isTypedAs(dtype: DType, values: ArrayLike<number>): boolean {
  return values instanceof DTYPES[dtype].array
}

function expectIntegers(
  dtype: DType,
  [least, most]: readonly [number, number],
  values: ArrayLike<number>,
): void {
  for (let i = 0; i < values.length; i++) {
    const value = values[i]
    if (!(Number.isInteger(value) && value >= least && value <= most))
      throw new TrituneError('E_VALUE', `value ${String(value)} at ${i} is no ${dtype}`, {
        remedy: `${dtype} holds whole numbers from ${least} to ${most}`,
      })
  }
}
