/**
 * The ABI in three places that must agree: the header, core/native/symbols.ts, and the bundled libraries, which must also
 * have been built from the sources that are there, and need nothing that a machine may lack. No library is loaded.
 */
import { existsSync, readFileSync, statSync } from 'node:fs'
import { ROOT } from '../_setup.ts'
import { symbolTable } from '../check-abi.ts'
import { KERNEL_TABLE, readKernelTable } from '../native/kernel-table.ts'
import { type NativeKind, nativeSourceHash } from '../native/source-hash.ts'
import { readElf } from './_elf.ts'
import { readBytes, readText, type Verdict, verdict } from './_files.ts'

const HEADER = 'native/include/tritune.h'
const TABLE = 'core/native/symbols.ts'

export interface BundledLibrary {
  readonly path: string
  readonly kind: NativeKind
  readonly command: string
}

export const LIBRARIES: readonly BundledLibrary[] = [
  { path: 'native/prebuilt/linux-x64/libtritune_cpu.so', kind: 'cpu', command: 'bun run native' },
  { path: 'native/prebuilt/linux-x64/libtritune_cuda.so', kind: 'cuda', command: 'bun run native:cuda' },
  { path: 'native/prebuilt/linux-x64/libtritune_cuda12.so', kind: 'cuda', command: 'bun run native:cuda' },
  {
    path: 'native/emulator/prebuilt/linux-x64/libtritune_cuda_emulated.so',
    kind: 'cuda-emulated',
    command: 'bun run native:cuda --emulator',
  },
]

/** In the repository and in every clone: a library that grows beyond this wants a reason. */
const MOST_BYTES = 12e6
/** Parts of glibc, which every Linux that runs Bun has. No libstdc++, no libgcc. */
const ALLOWED = /^(?:lib(?:c|m|dl|pthread|rt)\.so\.\d+|ld-linux-x86-64\.so\.2)$/
/** Minor version of glibc 2: Ubuntu 22.04, Debian 12, RHEL 9. For the tests' library, what g++ links statically needs 35. */
const NEWEST_GLIBC: { readonly [K in NativeKind]: number } = { cpu: 34, cuda: 34, 'cuda-emulated': 35 }

export function checkNative(): Verdict {
  const header = readText(HEADER)
  const declared = [...header.matchAll(/^TT_API [\w\s*]*?\b(tt_\w+)\(/gm)].map((match) => match[1])
  const problems: string[] = []
  if (symbolTable(header) !== readText(TABLE)) {
    problems.push(`${TABLE}: differs from ${HEADER}; run \`bun scripts/check-abi.ts --write\``)
  }
  problems.push(...LIBRARIES.flatMap((library) => libraryProblems(library, declared)), ...tableProblems())
  return verdict(
    `${declared.length} functions: header, symbols.ts and ${LIBRARIES.length} libraries agree`,
    problems,
  )
}

/** What is wrong with a bundled library; `declared` are the functions that it must export, and no others. */
export function libraryProblems(
  { path, kind, command }: BundledLibrary,
  declared: readonly string[],
): string[] {
  if (!existsSync(ROOT + path)) return [`${path}: is not there; run \`${command}\``]
  const { exports, needs, versions } = readElf(readFileSync(ROOT + path), path)
  const problems: string[] = []
  const report = (what: string, names: readonly string[]): void => {
    if (names.length > 0) problems.push(`${path}: ${what} ${names.join(', ')}`)
  }
  report(
    'lacks',
    declared.filter((name) => !exports.includes(name)),
  )
  report(
    `exports what ${HEADER} does not declare:`,
    exports.filter((name) => !declared.includes(name) && !name.startsWith('tt_emulator_')),
  )
  report(
    'needs',
    needs.filter((name) => !ALLOWED.test(name)),
  )
  report(
    `needs newer than GLIBC_2.${NEWEST_GLIBC[kind]}:`,
    versions.filter((version) => isTooNew(version, NEWEST_GLIBC[kind])),
  )
  const { size } = statSync(ROOT + path)
  if (size > MOST_BYTES)
    problems.push(`${path}: has ${(size / 1e6).toFixed(1)} MB, limit ${MOST_BYTES / 1e6} MB`)
  // The hash is a string in the library; it is read without loading it, so any machine can check it.
  if (!readBytes(path).includes(nativeSourceHash(kind))) {
    problems.push(`${path}: was built from other sources; run \`${command}\``)
  }
  return problems
}

/** What is wrong with the table of kernels: made from other sources, a library missing, a kernel in local memory. */
export function tableProblems(): string[] {
  const command = 'run `bun run native:cuda`'
  if (!existsSync(ROOT + KERNEL_TABLE)) return [`${KERNEL_TABLE}: is not there; ${command}`]
  const { sources, builds } = readKernelTable()
  const problems: string[] = []
  if (sources !== nativeSourceHash('cuda')) problems.push(`${KERNEL_TABLE}: is of other sources; ${command}`)
  for (const { path, kind } of LIBRARIES.filter((library) => library.kind === 'cuda')) {
    const build = builds.find(({ library }) => path.endsWith(`/${library}`))
    if (!build) problems.push(`${KERNEL_TABLE}: has nothing of ${path} (${kind}); ${command}`)
    for (const { source, name, local } of build?.kernels ?? []) {
      if (local > 0) problems.push(`${KERNEL_TABLE}: ${source}: ${name} has ${local} bytes of local memory`)
    }
  }
  return problems
}

function isTooNew(version: string, newest: number): boolean {
  const minor = /^GLIBC_2\.(\d+)/.exec(version)?.[1]
  return minor === undefined || Number(minor) > newest
}
