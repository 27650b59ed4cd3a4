/**
 * How one function of the ABI is called: from sizes and scalars by name to its arguments, with the bytes that each pointer
 * promises. Sizes may be anything; what does not fit in memory must be refused.
 */
import type { Dice } from '../random.ts'

export type Content = 'bytes' | 'floats' | 'offsets' | { readonly below: number }

/** A pointer to so many bytes of a device, which C cannot know. */
export interface BufferArgument {
  readonly bytes: number
  readonly content: Content
  /** Bytes of them that lie before the address. */
  readonly before?: number
  /** Of offsets: where they end. */
  readonly end?: number
}

/** Host memory of the ABI: rng, dims, tables; numbers in them may be addresses of buffers. */
export interface HostArgument {
  readonly host: 'u32' | 'i64' | 'f64'
  readonly values: readonly (number | BufferArgument)[]
}

export type Argument = number | BufferArgument | HostArgument

export type Sizes = Readonly<Record<string, number>>

export interface NativeRow {
  sizes(dice: Dice): Sizes
  args(sizes: Sizes): readonly Argument[]
}

const DTYPE_BYTES: readonly number[] = [4, 2, 2, 4, 1, 1]

/** 0 for a dtype that there is not: nothing may be touched then. */
export function dtypeBytes(dtype: number): number {
  return DTYPE_BYTES[dtype] ?? 0
}

export const floats = (n: number): BufferArgument => ({ bytes: 4 * Math.ceil(n), content: 'floats' })
export const of = (dtype: number, n: number): BufferArgument => ({
  bytes: dtypeBytes(dtype) * n,
  content: dtype === 0 ? 'floats' : 'bytes',
})
export const bytes = (n: number): BufferArgument => ({ bytes: n, content: 'bytes' })
export const ids = (n: number, below: number): BufferArgument => ({ bytes: 4 * n, content: { below } })
export const offsets = (documents: number, end: number): BufferArgument => ({
  bytes: 4 * (documents + 1),
  content: 'offsets',
  end,
})
export const rng = (): HostArgument => ({ host: 'u32', values: [1, 2, 3, 4, 5, 0] })
export const STREAM = 0
