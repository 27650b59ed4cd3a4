/**
 * QuantizedWeight: a frozen (out, in) matrix in one of the packed forms that `linearQuantized` multiplies by.
 *
 * The forms are those of `weight` in native/include/tritune.h: bitsandbytes' nf4, fp4 and LLM.int8, and the ternary
 * packing of BitNet checkpoints. It owns its parts; nothing here computes.
 */
import type { DType } from './dtype.ts'
import { TrituneError } from '../errors.ts'
import { expectKnown, expectSizes } from './expect.ts'
import type { QuantizedTensor } from '../contracts/quantize.ts'
import { expectShape, formatShape, type Shape } from './shape.ts'
import type { Tensor } from './tensor.ts'

/**
 * A packed form: nf4 and fp4 in blocks (arXiv 2305.14314), int8 by rows (arXiv 2208.07339), ternary with one scale, one a
 * row or several a row (arXiv 2402.17764).
 */
export type QuantizedKind = 'nf4' | 'fp4' | 'int8' | 'ternary'

/** The tensors of a packed weight, under the names that ops give them. */
export type QuantizedParts = {
  /** nf4, fp4: u8 (⌈out·in/2⌉). int8: i8 (out, in). ternary: u8 (out/4, in). */
  readonly data: Tensor
  /** nf4, fp4: the absmax of each block, f32, or with `nested` its u8 codes. int8: f32 (out). ternary:
   * f32 (1), or with a block (out, in/block). */
  readonly scale: Tensor
  /** nf4, fp4 with double quantization: f32, one for each 256 scales. */
  readonly nested: Tensor | undefined
}

/** What is known of a packed weight besides its tensors. */
export interface QuantizedFormat {
  readonly kind: QuantizedKind
  /** (out, in) */
  readonly shape: Shape
  /**
   * nf4, fp4: elements that share a scale, a power of two from 32 to 4096. ternary: 0 where all share one, else columns of
   * a row that do: `in`, or a multiple of 64 that divides it. int8: 0.
   */
  readonly block: number
  /** What double quantization took off every absmax; 0 without it. An f32. */
  readonly offset: number
}

/** A frozen (out, in) matrix in a packed form. It owns its parts: disposing it frees them. */
export interface QuantizedWeight extends QuantizedTensor, QuantizedFormat {
  readonly kind: QuantizedKind
  readonly shape: Shape
  readonly parts: QuantizedParts
  /** int8: columns of x with a magnitude of this or more are multiplied without rounding x (LLM.int8); 0: all are rounded. */
  readonly threshold: number
}

/** Scales that share one entry of `nested`: 256, as in bitsandbytes' double quantization. */
export const NESTED_BLOCK = 256

const KINDS: { readonly [K in QuantizedKind]: true } = { nf4: true, fp4: true, int8: true, ternary: true }

/** Whether a form has scales for blocks of elements: nf4 and fp4. */
export function isBlockwise(kind: QuantizedKind): kind is 'nf4' | 'fp4' {
  return kind === 'nf4' || kind === 'fp4'
}

/** What `quantizedWeight()` makes a weight of: the parts, and how they are to be read. */
export interface QuantizedWeightOptions {
  readonly kind: QuantizedKind
  readonly shape: Shape
  readonly parts: Pick<QuantizedParts, 'data' | 'scale'> & Partial<QuantizedParts>
  readonly block?: number
  readonly offset?: number
  /** int8 only; default 0. */
  readonly threshold?: number
}

/** Joins tensors that are already packed (from a file, from `quantize4bit`) into a weight. Throws E_SHAPE, E_DTYPE. */
export function quantizedWeight({
  kind,
  shape,
  parts: { data, scale, nested },
  block = 0,
  offset = 0,
  threshold = 0,
}: QuantizedWeightOptions): QuantizedWeight {
  const format = { kind, shape: [...shape], block, offset: Math.fround(offset) }
  const parts = { data, scale, nested }
  expectParts(`${kind} weight`, format, parts)
  const tensors = nested ? [data, scale, nested] : [data, scale]
  return {
    ...format,
    parts,
    threshold,
    bytes: tensors.reduce((sum, tensor) => sum + tensor.bytes, 0),
    [Symbol.dispose]() {
      for (const tensor of tensors) tensor.dispose()
    },
  }
}

/** What was checked before, so that a layer of one token does not do it again. */
const checked = new WeakMap<QuantizedFormat, QuantizedParts>()

/** Throws E_SHAPE or E_DTYPE unless the tensors are a weight of this format. */
export function expectParts(
  name: string,
  format: QuantizedFormat,
  { data, scale, nested }: QuantizedParts,
): void {
  const known = checked.get(format)
  if (known && known.data === data && known.scale === scale && known.nested === nested) return
  expectUnknownParts(name, format, { data, scale, nested })
  checked.set(format, { data, scale, nested })
}

function expectUnknownParts(
  name: string,
  { kind, shape, block }: QuantizedFormat,
  { data, scale, nested }: QuantizedParts,
): void {
  const [rows, cols] = shape
  expectKnown(name, 'kind', kind, KINDS)
  expectSizes(name, shape)
  expectShape(name, shape, [rows, cols])
  if (rows === 0 || cols === 0) throw new TrituneError('E_SHAPE', `${name}: ${formatShape(shape)} is empty`)
  if (nested && !isBlockwise(kind)) throw new TrituneError('E_DTYPE', `${name}: ${kind} has no nested scales`)
  if (kind === 'int8' && block !== 0)
    throw new TrituneError('E_SHAPE', `${name}: ${kind} has no blocks, got ${block}`)
  if (isBlockwise(kind)) {
    expectBlock(name, block)
    const blocks = Math.ceil((rows * cols) / block)
    expectPart(`${name} data`, data, 'u8', [Math.ceil((rows * cols) / 2)])
    expectPart(`${name} scale`, scale, nested ? 'u8' : 'f32', [blocks])
    if (nested) expectPart(`${name} nested`, nested, 'f32', [Math.ceil(blocks / NESTED_BLOCK)])
  } else if (kind === 'int8') {
    expectPart(`${name} data`, data, 'i8', [rows, cols])
    expectPart(`${name} scale`, scale, 'f32', [rows])
  } else {
    if (rows % 4 !== 0)
      throw new TrituneError(
        'E_SHAPE',
        `${name}: ternary needs a multiple of 4 rows, got ${formatShape(shape)}`,
      )
    expectTernaryBlock(name, block, cols)
    expectPart(`${name} data`, data, 'u8', [rows / 4, cols])
    expectPart(`${name} scale`, scale, 'f32', ternaryScales(shape, block))
  }
}

/** The shape of the scales of a ternary weight (out, in). */
export function ternaryScales([rows, cols]: Shape, block: number): Shape {
  return block === 0 ? [1] : [rows, cols / block]
}

/** Throws E_SHAPE unless a row of `cols` columns of a ternary weight can have scales for so many of them; 0: one for all rows. */
export function expectTernaryBlock(name: string, block: number, cols: number): void {
  if (block === 0 || block === cols || (block > 0 && block % 64 === 0 && cols % block === 0)) return
  throw new TrituneError(
    'E_SHAPE',
    `${name}: block must be 0, the ${cols} columns of a row or a multiple of 64 that divides them, got ${block}`,
  )
}

/** Throws E_SHAPE unless `block` is a block size of nf4 and fp4. */
export function expectBlock(name: string, block: number): void {
  if (block >= 32 && block <= 4096 && Number.isInteger(Math.log2(block))) return
  throw new TrituneError('E_SHAPE', `${name}: block must be a power of two from 32 to 4096, got ${block}`)
}

function expectPart(name: string, tensor: Tensor, dtype: DType, shape: Shape): void {
  if (tensor.dtype !== dtype)
    throw new TrituneError('E_DTYPE', `${name} is ${tensor.dtype}, must be ${dtype}`)
  expectShape(name, tensor.shape, shape)
}
