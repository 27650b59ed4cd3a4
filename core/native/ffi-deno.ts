/**
 * Foreign functions under Deno: `Deno.dlopen`, which needs --allow-ffi. Addresses and sizes are `usize` bigints there.
 */
import type { FfiFunction, FfiTable, NativeModule, RawFunction } from './ffi-types.ts'

const TYPES = {
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
  ): { symbols: Record<string, RawFunction>; close(): void }
  UnsafePointer: { create(address: bigint): object | null }
  UnsafePointerView: {
    getCString(pointer: unknown): string
    getArrayBuffer(pointer: object, bytes: number, offset: number): ArrayBuffer
  }
}

export function openWithDeno<F>(path: string, table: FfiTable<F>): NativeModule<F> {
  const deno = Reflect.get(globalThis, 'Deno') as DenoFfi
  const symbols = Object.fromEntries(
    Object.entries<FfiFunction>(table).map(([name, f]) => [
      name,
      { parameters: f.args.map((a) => TYPES[a]), result: TYPES[f.returns] },
    ]),
  )
  const library = deno.dlopen(path, symbols)
  const functions: Record<string, RawFunction> = {}
  for (const [name, f] of Object.entries<FfiFunction>(table)) {
    const raw = library.symbols[name]
    const wide = f.args.map((a) => a === 'ptr' || a === 'size')
    const call: RawFunction = (...args) => raw(...args.map((a, i) => (wide[i] ? BigInt(a as number) : a)))
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
