/**
 * Foreign functions under Bun and Deno, behind one descriptor table.
 *
 * A pointer is a plain number everywhere (addresses fit in 48 bits). Sizes are numbers too: Bun takes them as
 * `u64_fast`, Deno as `usize` bigints. These files are the only ones that know which runtime this is.
 */
import { createRequire } from 'node:module'
import { TrituneError } from '../errors.ts'

/** ptr: address, as a number also under Deno; buf: TypedArray (or null) borrowed for the call; cstr: NUL-terminated UTF-8 (result only). */
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

/** Opens a shared library. Throws when the file or one of the symbols is not there. */
export function openModule<F>(path: string, table: FfiTable<F>): NativeModule<F> {
  if ('Bun' in globalThis) return openWithBun(path, table)
  if ('Deno' in globalThis) return openWithDeno(path, table)
  throw new TrituneError('E_LIBRARY', 'this runtime has no foreign functions', {
    remedy: 'run tritune with Bun ≥ 1.4 or Deno ≥ 2.9',
  })
}

type Raw = (...args: unknown[]) => unknown

// ---- Bun ------------------------------------------------------------------------------------------------------

const BUN_TYPES = {
  i32: 'i32',
  f32: 'f32',
  f64: 'f64',
  ptr: 'ptr',
  buf: 'ptr',
  size: 'u64_fast',
  cstr: 'cstring',
} as const

interface BunFfi {
  dlopen(
    path: string,
    symbols: Record<string, { args: string[]; returns: string }>,
  ): { symbols: Record<string, Raw>; close(): void }
  toArrayBuffer(address: number, offset: number, bytes: number): ArrayBuffer
}

function openWithBun<F>(path: string, table: FfiTable<F>): NativeModule<F> {
  // A synchronous, lazy import: `bun:ffi` does not exist under Deno.
  const ffi: BunFfi = createRequire(import.meta.url)('bun:ffi')
  const symbols = Object.fromEntries(
    Object.entries<FfiFunction>(table).map(([name, f]) => [
      name,
      { args: f.args.map((a) => BUN_TYPES[a]), returns: BUN_TYPES[f.returns] },
    ]),
  )
  const library = ffi.dlopen(path, symbols)
  const functions: Record<string, Raw> = {}
  for (const [name, f] of Object.entries<FfiFunction>(table)) {
    const raw = library.symbols[name]
    if (f.returns === 'cstr') functions[name] = (...args) => String(raw(...args))
    // A null pointer is null there.
    else functions[name] = f.returns === 'ptr' ? (...args) => Number(raw(...args) ?? 0) : raw
  }
  return {
    functions: functions as F,
    view: (address, bytes) => (bytes === 0 ? new ArrayBuffer(0) : ffi.toArrayBuffer(address, 0, bytes)),
    close: () => library.close(),
  }
}

// ---- Deno -----------------------------------------------------------------------------------------------------

const DENO_TYPES = {
  i32: 'i32',
  f32: 'f32',
  f64: 'f64',
  ptr: 'usize',
  buf: 'buffer',
  size: 'usize',
  cstr: 'pointer',
} as const

interface DenoFfi {
  dlopen(
    path: string,
    symbols: Record<string, { parameters: string[]; result: string }>,
  ): { symbols: Record<string, Raw>; close(): void }
  UnsafePointer: { create(address: bigint): object | null }
  UnsafePointerView: {
    getCString(pointer: unknown): string
    getArrayBuffer(pointer: object, bytes: number, offset: number): ArrayBuffer
  }
}

function openWithDeno<F>(path: string, table: FfiTable<F>): NativeModule<F> {
  const deno = Reflect.get(globalThis, 'Deno') as DenoFfi
  const symbols = Object.fromEntries(
    Object.entries<FfiFunction>(table).map(([name, f]) => [
      name,
      { parameters: f.args.map((a) => DENO_TYPES[a]), result: DENO_TYPES[f.returns] },
    ]),
  )
  const library = deno.dlopen(path, symbols)
  const functions: Record<string, Raw> = {}
  for (const [name, f] of Object.entries<FfiFunction>(table)) {
    const raw = library.symbols[name]
    const wide = f.args.map((a) => a === 'ptr' || a === 'size')
    const call: Raw = (...args) => raw(...args.map((a, i) => (wide[i] ? BigInt(a as number) : a)))
    if (f.returns === 'cstr') functions[name] = (...args) => deno.UnsafePointerView.getCString(call(...args))
    else functions[name] = f.returns === 'ptr' ? (...args) => Number(call(...args)) : call
  }
  return {
    functions: functions as F,
    view(address, bytes) {
      const pointer = deno.UnsafePointer.create(BigInt(address))
      if (bytes === 0 || pointer === null) return new ArrayBuffer(0)
      return deno.UnsafePointerView.getArrayBuffer(pointer, bytes, 0)
    },
    close: () => library.close(),
  }
}
