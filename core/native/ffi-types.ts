/**
 * How a foreign function is described: one table for all runtimes. What each of them makes of it is in `ffi-<runtime>.ts`.
 *
 * A pointer is a plain number everywhere (addresses fit in 48 bits). Sizes are numbers too.
 */

/** ptr: address; buf: TypedArray (or null) borrowed for the call; cstr: NUL-terminated UTF-8 (result only). */
export type FfiType = 'i32' | 'f32' | 'f64' | 'ptr' | 'buf' | 'size' | 'cstr'

export interface FfiFunction {
  readonly args: readonly FfiType[]
  readonly returns: 'i32' | 'ptr' | 'cstr'
}

export type FfiBuffer =
  | Uint8Array
  | Uint16Array
  | Uint32Array
  | Int32Array
  | BigInt64Array
  | Float32Array
  | Float64Array
  | null

/** `F` is the interface of the library's functions; the table says how each one is called. */
export type FfiTable<F> = { readonly [K in keyof F]: FfiFunction }

export interface NativeModule<F> {
  readonly functions: F
  /** Zero-copy view of native memory; at most 4 GiB. */
  view(address: number, bytes: number): ArrayBuffer
  close(): void
}

/** A function as a runtime gives it: it takes and returns what its table says. */
export type RawFunction = (...args: unknown[]) => unknown
