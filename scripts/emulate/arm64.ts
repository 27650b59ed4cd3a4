/**
 * Linux on ARM64 under qemu: what every emulated machine is asked, on some CPUs. How fast it is there says nothing about real ones.
 */
import { join } from 'node:path'
import { checkLibrary, checkLora, checkOps, checkQuickstart, type QuickstartSize } from './checks.ts'
import { arm64Machine, thisMachine } from './machine.ts'
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
  const checks = cpus.flatMap((cpu): NamedCheck[] => {
    const machine = arm64Machine(cpu, bun)
    const at = (name: string): string => join(folder, cpu, name)
    return [
      { name: `${cpu}: library`, run: () => checkLibrary(machine, at('library')) },
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
