/**
 * A minimal bun:ffi binding for the tests of the native kernels: just the functions they call, raw status codes.
 *
 * Not the product's binding (core/native); it has no tensors and no errors so that a test sees what C returns.
 */
import { CString, type FFIFunction, type Pointer, dlopen, toArrayBuffer } from 'bun:ffi'
import { libraryCandidates } from '../../core/native/library.ts'

/** An address, a typed array (its memory), NULL, or a scalar. */
type Argument = number | bigint | NodeJS.TypedArray | null
type Native = (...args: Argument[]) => number

/** One letter an argument: p pointer, i int32, f float, d double, z size_t. */
const SIGNATURES: Readonly<Record<string, string>> = {
  tt_abi_version: '',
  tt_init: 'iii',
  tt_alloc: 'pz',
  tt_free: 'p',
  tt_memory_stats: 'p',
  tt_memory_reset_peak: '',
  tt_memory_trim: '',
  tt_copy: 'ppzp',
  tt_zero: 'pzp',
  tt_file_map: 'pp',
  tt_file_unmap: 'pz',
  tt_matmul: 'pppiiiizzziiffiip',
  tt_linear_forward: 'ppppppppiiiiffip',
  tt_linear_backward: 'ppppppppppppiiiiffiip',
  tt_linear_cross_entropy: 'pppppppiiiffip',
  tt_bench_peak: 'pizd',
}
const STRINGS: readonly string[] = ['tt_last_error', 'tt_symbols', 'tt_build_info']
const TYPES: Readonly<Record<string, 'ptr' | 'i32' | 'f32' | 'f64' | 'u64'>> = {
  p: 'ptr',
  i: 'i32',
  f: 'f32',
  d: 'f64',
  z: 'u64',
}

export const LIBRARY_PATH: string = libraryCandidates('cpu')[0]

const table: Record<string, FFIFunction> = {}
for (const name of STRINGS) table[name] = { args: [], returns: 'ptr' }
for (const [name, letters] of Object.entries(SIGNATURES)) {
  table[name] = { args: [...letters].map((letter) => TYPES[letter]), returns: 'i32' }
}
const symbols: Readonly<Record<string, unknown>> = dlopen(LIBRARY_PATH, table).symbols

/** Calls a function and returns its status. */
export function call(name: string, ...args: Argument[]): number {
  return (symbols[name] as Native)(...args)
}

/** Calls a function that returns a C string. */
export function text(name: string): string {
  return String(new CString((symbols[name] as Native)() as Pointer))
}

export const OK = 0
export const BAD_ARGUMENT = -3
export const IO = -6
export const F32 = 0
export const BF16 = 1

/** Message of the last failure. */
export function lastError(): string {
  return text('tt_last_error')
}

/** Calls a function that must succeed. */
export function run(name: string, ...args: Argument[]): void {
  if (call(name, ...args) !== OK) throw new Error(`${name}: ${lastError()}`)
}

/** Instruction sets this machine reaches: 1 AVX2, 2 AVX-512, 3 AMX. */
export function reachableIsas(): number[] {
  const { isas } = JSON.parse(text('tt_build_info')) as { isas: string[] }
  return isas.map((_, index) => index + 1)
}

/** Address of a new block of tt_alloc. */
export function allocate(bytes: number): number {
  const out = new BigUint64Array(1)
  run('tt_alloc', out, bytes)
  return Number(out[0])
}

/** The memory behind an address. */
export function bytesAt(address: number, bytes: number): ArrayBuffer {
  return toArrayBuffer(address as Pointer, 0, bytes)
}

/** A C string. */
export function cString(value: string): Uint8Array {
  return new TextEncoder().encode(`${value}\0`)
}
