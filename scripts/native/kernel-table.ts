/**
 * native/cuda/kernels.json: every kernel of the CUDA libraries with its registers and shared memory for each GPU, as ptxas
 * reported it in the last full build. Committed, so that a change of a kernel shows what it did to the others.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { ROOT } from './process.ts'
import type { KernelUse } from './ptxas.ts'

export const KERNEL_TABLE = 'native/cuda/kernels.json'

export interface KernelRow {
  readonly source: string
  /** Demangled, without the anonymous namespaces. */
  readonly name: string
  /** One number for each target, in the order of `targets`. */
  readonly registers: readonly number[]
  /** Static shared memory of a block, the largest of the targets. */
  readonly shared: number
  /** Bytes of local memory (stack and spills), the largest of the targets. */
  readonly local: number
}

export interface KernelBuild {
  readonly library: string
  readonly compiler: string
  readonly targets: readonly string[]
  readonly kernels: readonly KernelRow[]
}

export interface KernelTable {
  /** nativeSourceHash('cuda') of the sources. */
  readonly sources: string
  readonly builds: readonly KernelBuild[]
}

/** One row for each kernel, by source and name. `demangled`: names by mangled name. */
export function kernelRows(
  uses: Readonly<Record<string, readonly KernelUse[]>>,
  targets: readonly string[],
  demangled: ReadonlyMap<string, string>,
): KernelRow[] {
  const rows = Object.entries(uses).flatMap(([source, kernels]) =>
    [...Map.groupBy(kernels, ({ name }) => name)].map(([name, all]) => ({
      source: basename(source),
      name: readableName(demangled.get(name) ?? name),
      registers: targets.map((target) => all.find(({ gpu }) => gpu === target)?.registers ?? 0),
      shared: Math.max(...all.map(({ shared }) => shared)),
      local: Math.max(...all.map(({ stack, spills }) => stack + spills)),
    })),
  )
  const key = ({ source, name }: KernelRow): string => `${source}\0${name}`
  return rows.toSorted((a, b) => (key(a) < key(b) ? -1 : 1))
}

/** `void tt::(anonymous namespace)::fill<float>(float*, unsigned long)` becomes `fill<float>`. */
export function readableName(demangled: string): string {
  const plain = demangled.replaceAll('(anonymous namespace)::', '').replaceAll('tt::', '')
  // Nested parentheses are in template arguments only: the parameters begin at the first one outside of <>.
  let depth = 0
  for (let i = 0; i < plain.length; i++) {
    if (plain[i] === '<') depth++
    else if (plain[i] === '>') depth--
    else if (plain[i] === '(' && depth === 0) return plain.slice(0, i).replace(/^void /, '')
  }
  return plain
}

export function readKernelTable(): KernelTable {
  return JSON.parse(readFileSync(join(ROOT, KERNEL_TABLE), 'utf8'))
}

/** One line for each kernel, so that a difference can be read. */
export function writeKernelTable({ sources, builds }: KernelTable): void {
  const text = builds.map(({ library, compiler, targets, kernels }) => {
    const head = `{"library": ${JSON.stringify(library)}, "compiler": ${JSON.stringify(compiler)},`
    const rows = kernels.map((row) => `  ${JSON.stringify(row)}`)
    return `${head}\n"targets": ${JSON.stringify(targets)}, "kernels": [\n${rows.join(',\n')}\n]}`
  })
  writeFileSync(
    join(ROOT, KERNEL_TABLE),
    `{"sources": ${JSON.stringify(sources)}, "builds": [\n${text.join(',\n')}\n]}\n`,
  )
}
