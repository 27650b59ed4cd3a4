/**
 * Foreign functions under Bun: `bun:ffi`. Sizes are `u64_fast`, so that they are numbers.
 */
import { createRequire } from 'node:module'
import type { FfiFunction, FfiTable, NativeModule, RawFunction } from './ffi-types.ts'

const TYPES = {
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
  ): { symbols: Record<string, RawFunction>; close(): void }
  toArrayBuffer(address: number, offset: number, bytes: number): ArrayBuffer
}

export function openWithBun<F>(path: string, table: FfiTable<F>): NativeModule<F> {
  // A synchronous, lazy import: `bun:ffi` does not exist elsewhere.
  const ffi: BunFfi = createRequire(import.meta.url)('bun:ffi')
  const symbols = Object.fromEntries(
    Object.entries<FfiFunction>(table).map(([name, f]) => [
      name,
      { args: f.args.map((a) => TYPES[a]), returns: TYPES[f.returns] },
    ]),
  )
  const library = ffi.dlopen(path, symbols)
  const functions: Record<string, RawFunction> = {}
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
