/**
 * An OpenBLAS to test with, where the machine has one: Debian's libopenblas0-pthread, or what TRITUNE_CPU_BLAS names.
 */
import { openLibrary } from '../../core/native/library.ts'
import { TrituneError } from '../../core/mod.ts'

const FOLDERS = [
  '',
  '/usr/lib/x86_64-linux-gnu/openblas-pthread/',
  '/usr/lib/aarch64-linux-gnu/openblas-pthread/',
]

/** What the option `blas` of the CPU library takes; null, and a line that says so, where there is none. */
export const OPENBLAS: string | null = find()

/** tt_option_set(); throws what the library says. */
export function setOption(name: string, value: string): void {
  const text = (one: string): Uint8Array => new TextEncoder().encode(`${one}\0`)
  openLibrary('cpu').call.tt_option_set(text(name), text(value))
}

/** How many products went to a BLAS until now. */
export function blasProducts(): number {
  return Number(openLibrary('cpu').options().blas_products)
}

function find(): string | null {
  const named = process.env.TRITUNE_CPU_BLAS
  const names = named === undefined ? FOLDERS.map((folder) => `${folder}libopenblas.so.0`) : [named]
  const found = names.find(opens)
  if (found === undefined) console.log('skipped: there is no OpenBLAS (apt-get install libopenblas0-pthread)')
  return found ?? null
}

function opens(name: string): boolean {
  try {
    setOption('blas', name)
    return true
  } catch (error) {
    if (error instanceof TrituneError) return false
    throw error
  }
}
