/**
 * The emulated CUDA library for tests of single kernels: raw calls on device memory between margins of NaN.
 *
 * Not the product's device (plugins/cuda): addresses may be unaligned here, and every buffer knows when something was
 * written beside it.
 */
import { type NativeLibrary, openLibrary } from '../../core/native/library.ts'
import { BF16, F32 } from '../native/_library.ts'
import { type Guarded, guarded, randomNumbers } from '../native/_matrix.ts'

let opened: NativeLibrary | undefined

/** The library, started. */
export function cudaLibrary(): NativeLibrary {
  if (!opened) {
    opened = openLibrary('cuda-emulated')
    opened.call.tt_init(0, 0, 0)
  }
  return opened
}

export interface DeviceArray extends Disposable {
  readonly address: number
  readonly length: number
  /** The values now. */
  values(): Float64Array
  /** Bytes now. */
  bytes(): Uint8Array
  /** Whether the margins are as they were. */
  intact(): boolean
}

/** Values of a dtype in device memory, `shift` elements behind a 64-byte boundary. */
export function onDevice(
  values: Float64Array | readonly number[],
  dtype: number = F32,
  { shift = 0 }: { readonly shift?: number } = {},
): DeviceArray {
  const { call } = cudaLibrary()
  const host: Guarded = guarded(values, dtype)
  const { buffer, byteOffset, byteLength, BYTES_PER_ELEMENT } = host.view
  const out = new BigInt64Array(1)
  call.tt_alloc(out, buffer.byteLength + shift * BYTES_PER_ELEMENT)
  const base = Number(out[0])
  const start = base + shift * BYTES_PER_ELEMENT
  const whole = new Uint8Array(buffer)
  call.tt_upload(start, whole, whole.length, 0)
  const refresh = (): void => call.tt_download(whole, start, whole.length, 0)
  return {
    address: start + byteOffset,
    length: values.length,
    values() {
      refresh()
      return host.values()
    },
    bytes() {
      refresh()
      return whole.slice(byteOffset, byteOffset + byteLength)
    },
    intact() {
      refresh()
      return host.intact()
    },
    [Symbol.dispose]: () => call.tt_free(base),
  }
}

/** Seeded numbers in [-1, 1) on the device. */
export function randomOnDevice(
  length: number,
  seed: number,
  dtype: number = F32,
  options: { readonly shift?: number } = {},
): DeviceArray {
  return onDevice(randomNumbers(length, seed), dtype, options)
}

/** An output: NaN until written. */
export function blankOnDevice(
  length: number,
  dtype: number = F32,
  options: { readonly shift?: number } = {},
): DeviceArray {
  return onDevice(new Float64Array(length).fill(Number.NaN), dtype, options)
}

/** 32-bit integers in device memory. */
export function integersOnDevice(values: Int32Array): { readonly address: number } & Disposable {
  const { call } = cudaLibrary()
  const out = new BigInt64Array(1)
  call.tt_alloc(out, values.byteLength)
  const address = Number(out[0])
  call.tt_upload(
    address,
    new Uint8Array(values.buffer, values.byteOffset, values.byteLength),
    values.byteLength,
    0,
  )
  return { address, [Symbol.dispose]: () => call.tt_free(address) }
}

export const DTYPES: readonly number[] = [F32, BF16]
