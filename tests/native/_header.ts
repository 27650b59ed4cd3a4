/**
 * bun:ffi binding of the whole native library for tests, its signatures read from native/include/tritune.h.
 *
 * Returns raw status codes, so that a test sees what C returns. Not the product's binding (core/native).
 */
import { type FFIFunction, dlopen } from 'bun:ffi'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { LIBRARY_PATH, lastError } from './_library.ts'

/** An address, a typed array (its memory), NULL, or a scalar. The stream argument may be left out. */
export type Argument = number | bigint | NodeJS.TypedArray | null
type Native = (...args: Argument[]) => number

const SCALARS: Readonly<Record<string, 'i32' | 'f32' | 'f64' | 'u64' | 'ptr'>> = {
  int32_t: 'i32',
  tt_dtype: 'i32',
  float: 'f32',
  double: 'f64',
  size_t: 'u64',
  tt_stream: 'ptr',
}

function typeOf(declaration: string): 'i32' | 'f32' | 'f64' | 'u64' | 'ptr' {
  if (declaration.includes('*')) return 'ptr'
  const type = SCALARS[declaration.trim().split(' ')[0] ?? '']
  if (!type) throw new Error(`unknown parameter type in tritune.h: ${declaration}`)
  return type
}

const header = readFileSync(join(import.meta.dir, '../../native/include/tritune.h'), 'utf8')
const table: Record<string, FFIFunction> = {}
for (const [, name = '', parameters = ''] of header.matchAll(/TT_API tt_status (tt_\w+)\(([^)]*)\)/g)) {
  table[name] = { args: parameters === 'void' ? [] : parameters.split(',').map(typeOf), returns: 'i32' }
}

const symbols = new Map<string, Native>()

/** Opened one by one: a function that is not in the build yet must not keep the others from being tested. */
function native(name: string): Native {
  const known = symbols.get(name)
  if (known) return known
  const signature = table[name]
  if (!signature) throw new Error(`${name} is not in tritune.h`)
  const opened: Readonly<Record<string, unknown>> = dlopen(LIBRARY_PATH, { [name]: signature }).symbols
  const symbol = opened[name] as Native
  symbols.set(name, symbol)
  return symbol
}

/** Calls a function and returns its status. */
export function call(name: string, ...args: Argument[]): number {
  const wanted = table[name]?.args?.length ?? 0
  const last = table[name]?.args?.at(-1)
  const all = args.length === wanted - 1 && last === 'ptr' ? [...args, null] : args
  if (all.length !== wanted) throw new Error(`${name} takes ${wanted} arguments, got ${args.length}`)
  return native(name)(...all)
}

/** Calls a function that must succeed. */
export function run(name: string, ...args: Argument[]): void {
  const status = call(name, ...args)
  if (status !== 0) throw new Error(`${name} returned ${status}: ${lastError()}`)
}
