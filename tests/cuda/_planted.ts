/**
 * Runs one of the emulator's planted kernels: `bun tests/cuda/_planted.ts "missing barrier" greedy,early`.
 */
import { dlopen } from 'bun:ffi'
import { libraryCandidates } from '../../core/native/library.ts'

/** Every order that the emulator knows. */
export const SCHEDULES: readonly string[] = ['round-robin', 'greedy'].flatMap((turns) =>
  ['forward', 'reverse'].flatMap((order) => ['late', 'early'].map((copies) => `${turns},${order},${copies}`)),
)

const ELEMENTS = 1024
const THREADS = 64

export interface PlantedResult {
  readonly status: number
  readonly message: string
  readonly out: Float32Array
}

/** x[i] of the planted kernels. */
export function plantedInput(i: number): number {
  return i % 97
}

/** Opens the emulated library and returns a function that runs a kernel under a schedule. */
export function openPlanted(): (which: string, schedule: string) => PlantedResult {
  const { symbols } = dlopen(libraryCandidates('cuda-emulated')[0], {
    tt_init: { args: ['i32', 'i32', 'i32'], returns: 'i32' },
    tt_option_set: { args: ['ptr', 'ptr'], returns: 'i32' },
    tt_emulator_planted: { args: ['ptr', 'ptr', 'ptr'], returns: 'i32' },
    tt_last_error: { args: [], returns: 'cstring' },
  })
  const text = (value: string): Uint8Array => new TextEncoder().encode(`${value}\0`)
  if (symbols.tt_init(0, 0, 0) !== 0) throw new Error(String(symbols.tt_last_error()))
  const x = Float32Array.from({ length: ELEMENTS }, (_, i) => plantedInput(i))
  return (which, schedule) => {
    const out = new Float32Array(THREADS)
    if (symbols.tt_option_set(text('schedule'), text(schedule)) !== 0)
      throw new Error(String(symbols.tt_last_error()))
    const status = symbols.tt_emulator_planted(out, x, text(which))
    const message = String(symbols.tt_last_error())
    symbols.tt_option_set(text('schedule'), text(''))
    return { status, message, out }
  }
}

if (import.meta.main) {
  const [which = '', schedule = ''] = process.argv.slice(2)
  const { status, message } = openPlanted()(which, schedule)
  console.log(status === 0 ? 'ok' : message)
}
