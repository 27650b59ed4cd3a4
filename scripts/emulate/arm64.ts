/**
 * Linux on ARM64 under qemu: what every emulated machine is asked, on some CPUs. How fast it is there says nothing about real ones.
 */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT } from '../_setup.ts'
import { zig } from '../native/zig.ts'
import { TARGETS } from '../native/targets.ts'
import {
  type Checked,
  checkLibrary,
  checkLora,
  checkOps,
  checkQuickstart,
  type QuickstartSize,
} from './checks.ts'
import { buildLibraryProgram, readLibraryProgram } from './library-program.ts'
import { arm64Machine, runOnArm64, thisMachine } from './machine.ts'
import { type NamedCheck, report } from './report.ts'
import { expectQemu, getBun } from './tools.ts'

/** The oldest, with nothing but NEON; with FP16 and dot products; with everything that qemu knows. */
export const ARM64_CPUS: readonly string[] = ['cortex-a53', 'neoverse-n1', 'max']

/** True when all checks are right. */
export async function emulateArm64(
  folder: string,
  cpus: readonly string[],
  size: QuickstartSize,
  say: (line: string) => void,
): Promise<boolean> {
  expectQemu()
  const bun = await getBun('linux-arm64')
  const hasZig = await zig().then(
    () => true,
    () => false,
  )
  if (!hasZig)
    say('left out  the program in C++, which zig compiles: pip install ziglang, or set ZIG to its path')
  const checks = cpus.flatMap((cpu): NamedCheck[] => {
    const machine = arm64Machine(cpu, bun)
    const at = (name: string): string => join(folder, cpu, name)
    return [
      { name: `${cpu}: library`, run: () => checkLibrary(machine, at('library')) },
      ...(hasZig ? [{ name: `${cpu}: in C++`, run: () => tryLibrary(cpu, at('program')) }] : []),
      { name: `${cpu}: ops`, run: () => checkOps(machine, at('ops')) },
      { name: `${cpu}: LoRA`, run: () => checkLora(machine, thisMachine, at('lora')) },
      {
        name: `${cpu}: quickstart`,
        run: () => checkQuickstart(machine, thisMachine, at('quickstart'), size),
      },
    ]
  })
  return await report(checks, say)
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** The library by itself, from a program in C++, with 1 to 8 threads. */
async function tryLibrary(cpu: string, folder: string): Promise<Checked> {
  const program = await buildLibraryProgram('linux-arm64')
  mkdirSync(folder, { recursive: true })
  const { code, text } = await runOnArm64(cpu, [program, join(ROOT, TARGETS['linux-arm64'].output), folder])
  return readLibraryProgram(code, text)
}
