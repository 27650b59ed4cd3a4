/**
 * Windows on x86-64 under Wine: the library by itself, tried by a program in C++; then by Bun for Windows, with what every emulated machine is asked.
 *
 * Wine is not Windows: the library runs on the real CPU with the real instruction sets, but its threads, memory and files are Wine's. The
 * package with Node for Windows: `bun run rehearse:windows`.
 */
import { mkdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { ROOT } from '../_setup.ts'
import { TARGETS } from '../native/targets.ts'
import { createWine, type Wine } from '../rehearse/wine.ts'
import {
  type Checked,
  checkLibrary,
  checkLora,
  checkOps,
  checkQuickstart,
  type QuickstartSize,
} from './checks.ts'
import { buildLibraryProgram, buildRandomNumbers, readLibraryProgram } from './library-program.ts'
import { thisMachine, wineMachine } from './machine.ts'
import { report } from './report.ts'
import { getBun } from './tools.ts'

/** True when all checks are right. */
export async function emulateWindows(
  folder: string,
  size: QuickstartSize,
  say: (line: string) => void,
): Promise<boolean> {
  const wine = createWine(folder)
  const good = await report([{ name: 'library in C++', run: () => tryLibrary(wine, folder) }], say)
  const bun = await getBun('win32-x64')
  const stands = await whatStandsInTheWay(wine, bun)
  if (stands !== null) {
    say(`left out  Bun for Windows, which does not start under this Wine: ${stands}`)
    return good
  }
  const machine = wineMachine(wine, bun)
  const at = (name: string): string => join(folder, name)
  const more = await report(
    [
      { name: 'Bun: library', run: () => checkLibrary(machine, at('library')) },
      { name: 'Bun: ops', run: () => checkOps(machine, at('ops')) },
      { name: 'Bun: ops, AVX2', run: () => checkOps(machine, at('avx2'), { isa: 'avx2' }) },
      { name: 'Bun: LoRA', run: () => checkLora(machine, thisMachine, at('lora')) },
      { name: 'Bun: quickstart', run: () => checkQuickstart(machine, thisMachine, at('quickstart'), size) },
    ],
    say,
  )
  return good && more
}

// ---- helpers ----------------------------------------------------------------------------------------------------

async function tryLibrary(wine: Wine, folder: string): Promise<Checked> {
  const program = await buildLibraryProgram('win32-x64')
  const files = join(folder, 'files')
  mkdirSync(files)
  const library = join(ROOT, TARGETS['win32-x64'].output)
  const { code, text } = await wine.run([program, wine.path(library), wine.path(files)])
  return readLibraryProgram(code, text)
}

/** Why Bun does not start; null: it does, if need be with a library that this Wine lacks. */
async function whatStandsInTheWay(wine: Wine, bun: string): Promise<string | null> {
  const version = async (): Promise<string | null> => {
    const { code, text } = await wine.run([bun, '--version'])
    return code === 0 && text.includes(Bun.version)
      ? null
      : `exit code ${code}, ${text.trim() || 'no output'}`
  }
  if ((await version()) === null) return null
  await buildRandomNumbers(dirname(bun))
  return await version()
}
