/**
 * Foreign functions under Bun, Deno and Node, behind one descriptor table.
 */
import { openWithBun } from './ffi-bun.ts'
import { openWithDeno } from './ffi-deno.ts'
import { expectKoffi, hasKoffi, openWithNode } from './ffi-node.ts'
import type { FfiTable, NativeModule } from './ffi-types.ts'
import { expectRuntime } from './runtime.ts'

export type { FfiBuffer, FfiFunction, FfiTable, FfiType, NativeModule } from './ffi-types.ts'

/** Opens a shared library. Throws when the file or one of the symbols is not there. */
export function openModule<F>(path: string, table: FfiTable<F>): NativeModule<F> {
  switch (expectRuntime()) {
    case 'bun':
      return openWithBun(path, table)
    case 'deno':
      return openWithDeno(path, table)
    case 'node':
      return openWithNode(path, table)
  }
}

/** Throws E_LIBRARY where this runtime cannot call native code: too old, or Node without koffi. */
export function expectForeignFunctions(): void {
  if (expectRuntime() === 'node') expectKoffi()
}

/** Whether this is a Node that could call native code if koffi were installed. */
export function isKoffiMissing(): boolean {
  return expectRuntime() === 'node' && !hasKoffi()
}
