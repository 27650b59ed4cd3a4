/**
 * Foreign functions under Node, which has none of its own that are stable: the package koffi, an optional dependency.
 * https://koffi.dev
 */
import { createRequire } from 'node:module'
import { TrituneError } from '../errors.ts'
import type { FfiFunction, FfiTable, NativeModule, RawFunction } from './ffi-types.ts'

const TYPES = {
  i32: 'int32_t',
  f32: 'float',
  f64: 'double',
  ptr: 'uintptr_t',
  buf: 'void *',
  size: 'size_t',
  cstr: 'const char *',
} as const

export interface Koffi {
  load(path: string): {
    func(name: string, returns: string, args: readonly string[]): RawFunction
    unload(): void
  }
  view(address: number, bytes: number): ArrayBuffer
}

let loaded: Koffi | undefined

export function openWithNode<F>(path: string, table: FfiTable<F>): NativeModule<F> {
  const koffi = expectKoffi()
  const library = koffi.load(path)
  const functions: Record<string, RawFunction> = {}
  for (const [name, { args, returns }] of Object.entries<FfiFunction>(table)) {
    const raw = library.func(
      name,
      TYPES[returns],
      args.map((type) => TYPES[type]),
    )
    // Integers are numbers as long as they are exact, and addresses are.
    functions[name] = returns === 'cstr' ? (...given) => String(raw(...given)) : raw
  }
  return {
    functions: functions as F,
    view: (address, bytes) => (bytes === 0 ? new ArrayBuffer(0) : koffi.view(address, bytes)),
    close: () => library.unload(),
  }
}

/** Throws E_LIBRARY where koffi is not installed or does not load. */
export function expectKoffi(): Koffi {
  return (loaded ??= loadKoffi())
}

export function hasKoffi(): boolean {
  try {
    createRequire(import.meta.url).resolve('koffi')
    return true
  } catch {
    return false
  }
}

function loadKoffi(): Koffi {
  try {
    return createRequire(import.meta.url)('koffi')
  } catch (cause) {
    const missing = cause instanceof Error && Reflect.get(cause, 'code') === 'MODULE_NOT_FOUND'
    throw new TrituneError(
      'E_LIBRARY',
      missing
        ? 'Node calls native code through the package koffi, which is not installed'
        : `the package koffi cannot be loaded: ${cause instanceof Error ? cause.message.split('\n')[0] : String(cause)}`,
      { remedy: 'npm install koffi; or run tritune with Bun or Deno, which need no package for it', cause },
    )
  }
}
