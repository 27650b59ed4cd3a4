/**
 * Calls of C functions in WebAssembly: addresses and sizes are 32 bits there, and what JavaScript owns is copied onto the C
 * stack for the time of a call, and back after it.
 */
import { TrituneError } from '../../core/mod.ts'
import type { FfiFunction } from '../../core/native/ffi-types.ts'
import { type NativeFunctions, SYMBOLS } from '../../core/native/symbols.ts'
import type { Heap } from './heap.ts'

/** What a module exports, by name. */
export type Exports = Readonly<Record<string, unknown>>

/** A global of the module that may be set; named so because not every compiler's WebAssembly.Global takes the type of its value. */
export interface StackPointer {
  value: number
}

export interface CallContext {
  readonly heap: Heap
  readonly exports: Exports
  /** Where the C stack ends now; it grows down. */
  readonly stack: StackPointer
  /** Memory for what is too large for the stack. */
  allocate(bytes: number): number
  free(address: number): void
}

/** The functions of the header that the module exports, by the types of the symbol table. */
export function functionsOf(context: CallContext): Partial<NativeFunctions> {
  const functions: Record<string, unknown> = {}
  for (const [name, symbol] of Object.entries(SYMBOLS)) {
    const raw = context.exports[name]
    if (isFunction(raw)) functions[name] = caller(name, symbol, raw, context)
  }
  return functions as Partial<NativeFunctions>
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** Above this, what is handed over is not put on the stack, which has a megabyte. */
const MOST_ON_STACK = 65536

type CFunction = (...values: number[]) => number

function isFunction(value: unknown): value is CFunction {
  return typeof value === 'function'
}

type Given = number | ArrayBufferView | null

function caller(
  name: string,
  { args, returns }: FfiFunction,
  raw: CFunction,
  context: CallContext,
): (...values: Given[]) => number | string {
  const buffers = args.flatMap((type, i) => (type === 'buf' ? [i] : []))
  const wide = args.flatMap((type, i) => (type === 'ptr' || type === 'size' ? [i] : []))
  const finish = (result: number): number | string =>
    returns === 'cstr' ? context.heap.text(result >>> 0) : returns === 'ptr' ? result >>> 0 : result
  return (...values) => {
    for (const i of wide) if (Number(values[i]) >= 2 ** 32) throw tooWide(name, i, Number(values[i]))
    if (buffers.length === 0) return finish(raw(...(values as number[])))
    const { stack } = context
    const before = stack.value
    const rented: number[] = []
    try {
      const placed = values.map((value) =>
        isView(value) ? place(value, context, rented) : Number(value ?? 0),
      )
      const result = finish(raw(...placed))
      for (const i of buffers) {
        const value = values[i]
        if (isView(value)) bytesOf(value).set(context.heap.read(placed[i], value.byteLength))
      }
      return result
    } finally {
      stack.value = before
      for (const address of rented) context.free(address)
    }
  }
}

/** Copies a view to the C side; the address. */
function place(value: ArrayBufferView, { stack, heap, allocate }: CallContext, rented: number[]): number {
  let address: number
  if (value.byteLength > MOST_ON_STACK) rented.push((address = allocate(value.byteLength)))
  else stack.value = address = (stack.value - value.byteLength) & ~15
  heap.write(address >>> 0, bytesOf(value))
  return address >>> 0
}

function isView(value: Given): value is ArrayBufferView {
  return typeof value === 'object' && value !== null
}

function bytesOf({ buffer, byteOffset, byteLength }: ArrayBufferView): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength)
}

function tooWide(name: string, at: number, value: number): TrituneError {
  return new TrituneError(
    'E_MEMORY',
    `${name}: argument ${at + 1} is ${value}, WebAssembly has 4 GiB at most`,
    { remedy: 'the native library has no such limit' },
  )
}
