/**
 * The ABI in three places that must agree: the header, core/native/symbols.ts, and the bundled libraries, which must also
 * have been built from the sources that are there, and need nothing that a machine may lack. No library is loaded.
 */
import { existsSync, readFileSync } from 'node:fs'
import { ROOT } from '../_setup.ts'
import { symbolTable } from '../check-abi.ts'
import { KERNEL_TABLE, readKernelTable } from '../native/kernel-table.ts'
import { nativeSourceHash } from '../native/source-hash.ts'
import { readText, type Verdict, verdict } from './_files.ts'
import { DIST_LIBRARIES, HEADER, LIBRARIES, libraryProblems } from './_library-rules.ts'

const TABLE = 'core/native/symbols.ts'

export function checkNative(): Verdict {
  const declared = declaredFunctions()
  const problems: string[] = []
  if (symbolTable(readText(HEADER)) !== readText(TABLE)) {
    problems.push(`${TABLE}: differs from ${HEADER}; run \`bun scripts/check-abi.ts --write\``)
  }
  const there = LIBRARIES.filter(({ path }) => existsSync(ROOT + path))
  const absent = LIBRARIES.filter((library) => !there.includes(library))
  for (const { path, platform, command } of absent)
    if (platform === 'linux-x64') problems.push(`${path}: is not there; run \`${command}\``)
  problems.push(
    ...there.flatMap((library) => libraryProblems(readFileSync(ROOT + library.path), library, declared)),
    ...DIST_LIBRARIES.filter(({ path }) => existsSync(ROOT + path)).flatMap((library) =>
      libraryProblems(readFileSync(ROOT + library.path), library, declaredDist()),
    ),
    ...tableProblems(),
  )
  const missing = absent.length === 0 ? '' : `; none for ${absent.map(({ platform }) => platform).join(', ')}`
  return verdict(
    `${declared.length} functions: header, symbols.ts and ${there.length} libraries agree${missing}`,
    problems,
  )
}

/** The functions of the header. */
export function declaredFunctions(): string[] {
  return [...readText(HEADER).matchAll(/^TT_API [\w\s*]*?\b(tt_\w+)\(/gm)].map((match) => match[1])
}

/** The functions of the header of libtritune_dist. */
export function declaredDist(): string[] {
  const header = readText('native/include/tritune_dist.h')
  return [...header.matchAll(/^TT_DIST_API [\w\s*]*?\b(tt_dist_\w+)\(/gm)].map((match) => match[1])
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
