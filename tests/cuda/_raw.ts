/**
 * The emulated CUDA library by its raw functions: arrays in, arrays out. For tests of single kernels.
 */
import { bf16ToNumber, numberToBf16 } from '../../core/tensor/dtype.ts'
import { type CheckedFunctions, openLibrary } from '../../core/native/library.ts'

export type HostArray =
  | Uint8Array<ArrayBuffer>
  | Int8Array<ArrayBuffer>
  | Uint16Array<ArrayBuffer>
  | Int32Array<ArrayBuffer>
  | Uint32Array<ArrayBuffer>
  | Float32Array<ArrayBuffer>

/** Arrays on the device, freed together. */
export interface RawDevice {
  readonly call: CheckedFunctions
  /** The address of a copy on the device. */
  put(array: HostArray): number
  /** `bytes` of new memory, filled with `fill`. */
  space(bytes: number, fill?: number): number
  /** Fills a host array from the device. */
  get<T extends HostArray>(into: T, address: number): T
  freeAll(): void
}

export function openRaw(): RawDevice {
  const { call } = openLibrary('cuda-emulated')
  call.tt_init(0, 0, 0)
  const out = new BigInt64Array(1)
  let addresses: number[] = []
  const space = (bytes: number, fill = 0xff): number => {
    call.tt_alloc(out, bytes)
    const address = Number(out[0])
    addresses.push(address)
    call.tt_upload(address, new Uint8Array(bytes).fill(fill), bytes, 0)
    return address
  }
  return {
    call,
    space,
    put(array) {
      const address = space(array.byteLength)
      call.tt_upload(
        address,
        new Uint8Array(array.buffer, array.byteOffset, array.byteLength),
        array.byteLength,
        0,
      )
      return address
    },
    get(into, address) {
      const bytes = new Uint8Array(into.byteLength)
      call.tt_download(bytes, address, bytes.length, 0)
      new Uint8Array(into.buffer, into.byteOffset, into.byteLength).set(bytes)
      return into
    },
    freeAll() {
      for (const address of addresses) call.tt_free(address)
      addresses = []
    },
  }
}

/** Reproducible numbers in −1 … 1. */
export function noise(n: number, seed: number): Float32Array<ArrayBuffer> {
  let state = (seed * 2654435761 + 12345) >>> 0
  return Float32Array.from({ length: n }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state / 2 ** 31 - 1
  })
}

export type Kind = 'f32' | 'bf16'
export const DTYPE: Readonly<Record<Kind, number>> = { f32: 0, bf16: 1 }

/** What `dtype` keeps of the numbers, and the array that a device gets. */
export function as(
  dtype: Kind,
  values: Float32Array,
): { readonly values: Float32Array<ArrayBuffer>; readonly array: HostArray } {
  if (dtype === 'f32') return { values: Float32Array.from(values), array: Float32Array.from(values) }
  const array = Uint16Array.from(values, numberToBf16)
  return { values: Float32Array.from(array, bf16ToNumber), array }
}

/** n numbers of dtype from the device. */
export function read(device: RawDevice, dtype: Kind, n: number, address: number): Float32Array<ArrayBuffer> {
  if (dtype === 'f32') return device.get(new Float32Array(n), address)
  return Float32Array.from(device.get(new Uint16Array(n), address), bf16ToNumber)
}
