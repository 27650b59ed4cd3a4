/**
 * bun:ffi binding of the emulated CUDA library for tests, its signatures read from native/include/tritune.h.
 *
 * Returns raw status codes. Emulated device memory is host memory: typed arrays can be passed as device addresses.
 */
import { CString, type FFIFunction, type Pointer, dlopen } from 'bun:ffi'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { libraryCandidates } from '../../core/native/library.ts'

/** An address, a typed array (its memory), NULL, or a scalar. The stream argument may be left out. */
export type Argument = number | bigint | NodeJS.TypedArray | null
type Native = (...args: Argument[]) => number

const [PATH]: string[] = libraryCandidates('cuda-emulated')
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
for (const name of ['tt_last_error', 'tt_options']) table[name] = { args: [], returns: 'ptr' }

const symbols = new Map<string, Native>()

/** Opened one by one: a function that is not in the build must not keep the others from being tested. */
function native(name: string): Native {
  const known = symbols.get(name)
  if (known) return known
  const signature = table[name]
  if (!signature) throw new Error(`${name} is not in tritune.h`)
  const opened: Readonly<Record<string, unknown>> = dlopen(PATH, { [name]: signature }).symbols
  const symbol = opened[name] as Native
  symbols.set(name, symbol)
  return symbol
}

export const F32 = 0
export const BF16 = 1
export const BAD_ARGUMENT: number = -3
export const UNSUPPORTED: number = -4

/** Calls a function and returns its status. */
export function call(name: string, ...args: Argument[]): number {
  const wanted = table[name]?.args?.length ?? 0
  const last = table[name]?.args?.at(-1)
  const all = args.length === wanted - 1 && last === 'ptr' ? [...args, null] : args
  if (all.length !== wanted) throw new Error(`${name} takes ${wanted} arguments, got ${args.length}`)
  return native(name)(...all)
}

/** Calls a function that returns a C string. */
export function text(name: string): string {
  return String(new CString(native(name)() as Pointer))
}

/** Calls a function that must succeed. */
export function run(name: string, ...args: Argument[]): void {
  const status = call(name, ...args)
  if (status !== 0) throw new Error(`${name} returned ${status}: ${text('tt_last_error')}`)
}

function cString(value: string): Uint8Array {
  return new TextEncoder().encode(`${value}\0`)
}

/** tt_option_set(). */
export function setOption(name: string, value: string): void {
  run('tt_option_set', cString(name), cString(value))
}

/** The status of tt_option_set(). */
export function trySetOption(name: string, value: string): number {
  return call('tt_option_set', cString(name), cString(value))
}
