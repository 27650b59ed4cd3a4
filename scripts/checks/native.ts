/**
 * The ABI in three places that must agree: the header, core/native/symbols.ts, and the library in native/prebuilt,
 * which must also have been built from the sources that are there.
 */
import { existsSync, readFileSync } from 'node:fs'
import { ROOT } from '../_setup.ts'
import { symbolTable } from '../check-abi.ts'
import { nativeSourceHash } from '../native/source-hash.ts'
import { exportedSymbols } from './_elf.ts'
import { readBytes, readText, type Verdict, verdict } from './_files.ts'

const HEADER = 'native/include/tritune.h'
const TABLE = 'core/native/symbols.ts'
const LIBRARY = 'native/prebuilt/linux-x64/libtritune_cpu.so'

export function checkNative(): Verdict {
  const header = readText(HEADER)
  const declared = [...header.matchAll(/^TT_API [\w\s*]*?\b(tt_\w+)\(/gm)].map((match) => match[1])
  const problems: string[] = []
  if (symbolTable(header) !== readText(TABLE)) {
    problems.push(`${TABLE}: differs from ${HEADER}; run \`bun scripts/check-abi.ts --write\``)
  }
  problems.push(...libraryProblems(declared))
  return verdict(`${declared.length} functions: header, symbols.ts and library agree`, problems)
}

function libraryProblems(declared: readonly string[]): string[] {
  if (!existsSync(ROOT + LIBRARY)) return [`${LIBRARY}: is not there; run \`bun run native\``]
  const exported = exportedSymbols(readFileSync(ROOT + LIBRARY), LIBRARY)
  const missing = declared.filter((name) => !exported.includes(name))
  const extra = exported.filter((name) => !declared.includes(name))
  const problems: string[] = []
  if (missing.length > 0) problems.push(`${LIBRARY}: lacks ${missing.join(', ')}`)
  if (extra.length > 0)
    problems.push(`${LIBRARY}: exports ${extra.join(', ')}, which ${HEADER} does not declare`)
  // The hash is a string in the library; it is read without loading it, so any machine can check it.
  if (!readBytes(LIBRARY).includes(nativeSourceHash('cpu'))) {
    problems.push(`${LIBRARY}: was built from other sources; run \`bun run native\``)
  }
  return problems
}
