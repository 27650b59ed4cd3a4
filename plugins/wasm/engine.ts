/**
 * What the WebAssembly of this engine can do, found by validating modules of a few bytes. Nothing is compiled or run.
 */

/** What an engine can do, as far as it matters here. */
export interface Engine {
  /** 128-bit vectors; without them there is no device. */
  readonly simd: boolean
  /** Multiply-add in one instruction, and others whose last bit is the machine's. */
  readonly relaxedSimd: boolean
  /**
   * Memory that workers share: always in Bun, Deno and Node; in the workers of a page where its server isolates it, and not in
   * its main thread, which must not wait for others.
   */
  readonly sharedMemory: boolean
}

const HEAD = [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]
/** A function that takes nothing and gives a vector. */
const GIVES_VECTOR = [1, 5, 1, 0x60, 0, 1, 0x7b, 3, 2, 1, 0]
/** i32.const 0; i8x16.splat; i8x16.popcnt */
const SIMD = [10, 10, 1, 8, 0, 0x41, 0, 0xfd, 15, 0xfd, 98, 11]
/** i32.const 1; i8x16.splat; i32.const 2; i8x16.splat; i8x16.relaxed_swizzle */
const RELAXED = [10, 15, 1, 13, 0, 0x41, 1, 0xfd, 15, 0x41, 2, 0xfd, 15, 0xfd, 128, 2, 11]

/** Asks the engine; a few microseconds. */
export function engineOf(): Engine {
  const accepts = (body: readonly number[]): boolean =>
    WebAssembly.validate(Uint8Array.from([...HEAD, ...GIVES_VECTOR, ...body]))
  if (typeof WebAssembly !== 'object') return { simd: false, relaxedSimd: false, sharedMemory: false }
  const simd = accepts(SIMD)
  return { simd, relaxedSimd: simd && accepts(RELAXED), sharedMemory: simd && sharesMemory() }
}

function sharesMemory(): boolean {
  // False in a page whose server does not ask for isolation; not there outside of browsers.
  const isolated: unknown = Reflect.get(globalThis, 'crossOriginIsolated')
  return typeof SharedArrayBuffer === 'function' && isolated !== false && !('document' in globalThis)
}

/** Threads that the machine runs at once, as the engine says. */
export function hardwareThreads(): number {
  const { navigator } = globalThis
  return typeof navigator === 'object' ? Math.max(1, navigator.hardwareConcurrency || 1) : 1
}
