/**
 * What the sanitized builds of both native libraries have in common: flags, and the environment in which Bun opens one.
 */
import { basename } from 'node:path'
import { run } from './process.ts'
import type { Target } from './targets.ts'

/** asan: AddressSanitizer and UBSan. ubsan: UBSan alone. tsan: ThreadSanitizer. */
export type Sanitizer = 'asan' | 'ubsan' | 'tsan'

export type CpuVariant = 'plain' | Sanitizer

export const CPU_VARIANTS: readonly CpuVariant[] = ['plain', 'asan', 'ubsan', 'tsan']

/** Where a variant of the CPU library goes. */
export function outputOf({ output }: Target, variant: CpuVariant): string {
  return variant === 'plain' ? output : `native/build/cpu-${variant}/${basename(output)}`
}

/** After all other flags: the -O1 wins. Without run-time types there is no vptr to look at. */
export const SANITIZERS: { readonly [S in Sanitizer]: readonly string[] } = {
  asan: [
    '-O1',
    '-g',
    '-fsanitize=address,undefined',
    '-fno-sanitize=vptr',
    '-fno-sanitize-recover=undefined',
    '-fno-omit-frame-pointer',
  ],
  ubsan: ['-O1', '-g', '-fsanitize=undefined', '-fno-sanitize=vptr', '-fno-sanitize-recover=undefined'],
  tsan: ['-O1', '-g', '-fsanitize=thread'],
}

/** A sanitizer must be the first library that a process loads. What JavaScript leaves behind is not a leak of ours. */
export async function preloadOf(sanitizer: Sanitizer): Promise<Readonly<Record<string, string>>> {
  return {
    LD_PRELOAD: (await run(['g++', `-print-file-name=lib${sanitizer}.so`])).out.trim(),
    // Memory that is not there is an error code, as it is without a sanitizer.
    ASAN_OPTIONS: 'detect_leaks=0:allocator_may_return_null=1',
    UBSAN_OPTIONS: 'print_stacktrace=1',
    // The races that the JavaScript engine knows of are not ours.
    TSAN_OPTIONS: 'ignore_noninstrumented_modules=1',
  }
}
