/**
 * The fuzzers by name; a child process opens the one that it was started for.
 */
import type { Fuzzer } from './fuzzer.ts'

export const TARGETS: Readonly<Record<string, () => Promise<Fuzzer>>> = {
  ops: async () => (await import('./ops/mod.ts')).opsFuzzer(),
  native: async () => (await import('./native/mod.ts')).nativeFuzzer(),
}

/** Those that call native code. */
export const SANITIZED: ReadonlySet<string> = new Set(['ops', 'native'])

/** Seconds that one case may take; most take a millisecond, and the machine may be busy. */
export const PATIENCE = 60
