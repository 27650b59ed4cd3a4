/**
 * The fuzzers by name; a child process opens the one that it was started for.
 */
import type { Fuzzer } from './fuzzer.ts'

export const TARGETS: Readonly<Record<string, () => Promise<Fuzzer>>> = {
  ops: async () => (await import('./ops/mod.ts')).opsFuzzer(),
  native: async () => (await import('./native/mod.ts')).nativeFuzzer(),
  yaml: async () => (await import('./text/yaml.ts')).yamlFuzzer(),
  jsonl: async () => (await import('./text/jsonl.ts')).jsonlFuzzer(),
  templates: async () => (await import('./text/templates.ts')).templatesFuzzer(),
  tokenizers: async () => (await import('./text/tokenizers.ts')).tokenizersFuzzer(),
  checkpoints: async () => (await import('./files/checkpoints.ts')).checkpointsFuzzer(),
  gguf: async () => (await import('./files/gguf.ts')).ggufFuzzer(),
  adapters: async () => (await import('./files/adapters.ts')).adaptersFuzzer(),
  ternary: async () => (await import('./files/ternary.ts')).ternaryFuzzer(),
  hub: async () => (await import('./hub/mod.ts')).hubFuzzer(),
}

/** Those that call native code. */
export const SANITIZED: ReadonlySet<string> = new Set(['ops', 'native', 'checkpoints', 'adapters', 'ternary'])

/** Seconds that one case may take; most take a millisecond, and the machine may be busy. */
export const PATIENCE = 60
