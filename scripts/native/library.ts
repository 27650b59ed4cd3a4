/**
 * What the native builds have in common at their end: the header with which a library describes itself, and the link.
 */
import { copyFileSync, existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { SYMBOLS } from '../../core/native/symbols.ts'
import { ROOT, run } from './process.ts'
import type { Target } from './targets.ts'
import { linkWasm } from './wasm.ts'
import { zig } from './zig.ts'

/**
 * Names of the tt_ functions that objects define, and of the two that need this list to be compiled. The tools at hand read
 * objects of Linux; those of other systems are of the same sources, and the linker wants every function of the header.
 */
export async function functionNames(
  objects: readonly string[],
  format: Target['format'] = 'elf',
): Promise<string[]> {
  if (format !== 'elf') return Object.keys(SYMBOLS).toSorted()
  const { out } = await run(['nm', '--defined-only', '--format=posix', ...objects])
  const names = new Set(['tt_symbols', 'tt_build_info'])
  for (const [, name] of out.matchAll(/^(tt_\w+) T/gm)) names.add(name)
  return [...names].toSorted()
}

/** Writes C macros; an unchanged file keeps its time, so nothing that includes it is compiled again. */
export function writeMacros(path: string, macros: Readonly<Record<string, string>>): void {
  const lines = Object.entries(macros).map(([name, value]) => `#define ${name} "${value}"\n`)
  const file = join(ROOT, path)
  mkdirSync(dirname(file), { recursive: true })
  if (!existsSync(file) || readFileSync(file, 'utf8') !== lines.join('')) writeFileSync(file, lines.join(''))
}

export interface LinkOptions {
  /** The command: `gcc` links nothing of libstdc++. */
  readonly linker: readonly string[]
  readonly output: string
  readonly objects: readonly string[]
  /** Libraries and more flags, after the objects. */
  readonly last?: readonly string[]
  /** Leaves undefined symbols to the process: the sanitizers' are in a preloaded library. */
  readonly allowUndefined?: boolean
}

/** Links what a target wants: on Linux by a script that exports tt_* alone, elsewhere what is visible is tt_* alone. */
export async function linkFor(
  target: Target,
  { output, objects, last = [], allowUndefined = false }: Omit<LinkOptions, 'linker'>,
): Promise<void> {
  if (target.compiler === 'g++')
    // gcc, not g++: nothing of libstdc++ may be linked.
    return linkShared({ linker: ['gcc'], output, objects, last: [...last, ...target.link], allowUndefined })
  if (target.format === 'wasm') return linkWasm({ features: target.flags[0], output, objects })
  const linker = [...(await zig()), 'cc', '-target', target.triple ?? '']
  if (target.format === 'elf')
    return linkShared({ linker, output, objects, last: [...last, ...target.link], allowUndefined })
  mkdirSync(join(ROOT, dirname(output)), { recursive: true })
  // The name must end as the system wants it, or the linker does not know what it is to make.
  const made = join(ROOT, dirname(objects[0]), basename(output))
  await run([...linker, '-shared', '-O2', '-s', '-o', made, ...objects, ...target.link, ...last])
  copyFileSync(made, join(ROOT, `${output}.new`))
  renameSync(join(ROOT, `${output}.new`), join(ROOT, output))
}

/** A stripped shared library for Linux that exports tt_* and nothing else. */
export async function linkShared({
  linker,
  output,
  objects,
  last = [],
  allowUndefined = false,
}: LinkOptions): Promise<void> {
  const script = `${dirname(objects[0])}/exports.map`
  writeFileSync(join(ROOT, script), '{ global: tt_*; local: *; };\n')
  mkdirSync(join(ROOT, dirname(output)), { recursive: true })
  const flags = [
    '-shared',
    ...(allowUndefined ? [] : ['-s', '-Wl,-z,defs']),
    '-Wl,--gc-sections',
    '-Wl,--as-needed',
    '-Wl,--build-id=none',
    '-Wl,-z,noexecstack',
    // Never unmapped: threads of the pool may still wait in it when a runtime closes its libraries at its end.
    '-Wl,-z,nodelete',
    `-Wl,--version-script=${script}`,
  ]
  await run([...linker, ...flags, '-o', `${output}.new`, ...objects, ...last])
  // Renamed into place: the old file may be mapped by a running process.
  renameSync(join(ROOT, `${output}.new`), join(ROOT, output))
}
