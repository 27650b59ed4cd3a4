/**
 * `bun scripts/size.ts`: how long the files are, and what the compiler was told to overlook.
 *
 * TypeScript: median ≤ 150 lines, 90th percentile ≤ 300, none over 500; C++ and CUDA: none over 500. Generated files
 * and tables are counted apart. `any`, double casts and suppressed messages: none.
 */
import { codeOnly, placeOf, readText, repositoryFiles, type Verdict } from './checks/_files.ts'

/** Not written by hand, or one long table: no limit on their length. */
const APART: Readonly<Record<string, string>> = {
  'core/native/symbols.ts': 'generated from tritune.h',
  'native/include/tritune.h': 'the ABI in one header',
}

const MEDIAN = 150
const P90 = 300
const LONGEST = 500

const OVERLOOKED: Readonly<Record<string, RegExp>> = {
  any: /(?:[:<|&,(=]|\bas|\bextends|\bsatisfies)\s*any\b(?!\s*[:(])/g,
  'as unknown as': /\bas\s+unknown\s+as\b/g,
}
const SUPPRESSED = /@ts-(?:ignore|nocheck|expect-error)\b|\b(?:ox|es)lint-disable\b/g

export function checkSize(): Verdict {
  const files = repositoryFiles().filter((file) => /\.(ts|cpp|h|cu|cuh)$/.test(file))
  const lines = new Map(files.map((file) => [file, readText(file).split('\n').length - 1]))
  const counted = files.filter((file) => !(file in APART))
  const typescript = counted.filter((file) => file.endsWith('.ts'))
  const native = counted.filter((file) => !file.endsWith('.ts'))
  const lengths = typescript.map((file) => lines.get(file) ?? 0).toSorted((a, b) => a - b)
  const [median, p90] = [quantile(lengths, 0.5), quantile(lengths, 0.9)]

  const problems: string[] = []
  if (median > MEDIAN) problems.push(`the median TypeScript file has ${median} lines, limit ${MEDIAN}`)
  if (p90 > P90) problems.push(`a tenth of the TypeScript files is longer than ${p90} lines, limit ${P90}`)
  for (const file of counted) {
    const length = lines.get(file) ?? 0
    if (length > LONGEST) problems.push(`${file}: ${length} lines, limit ${LONGEST}`)
  }
  problems.push(
    ...files.filter((file) => file.endsWith('.ts')).flatMap((file) => overlooked(file, readText(file))),
  )

  const total = (names: readonly string[]): number =>
    names.reduce((sum, name) => sum + (lines.get(name) ?? 0), 0)
  const summary =
    `${typescript.length} TypeScript files, ${total(typescript)} lines, median ${median}, p90 ${p90}, longest ` +
    `${lengths.at(-1) ?? 0}; ${native.length} native files, ${total(native)} lines`
  const apart = Object.keys(APART).filter((file) => lines.has(file))
  const notes = apart.map((file) => `apart: ${file}, ${lines.get(file)} lines (${APART[file]})`)
  return { ok: problems.length === 0, summary, details: [...problems, ...notes] }
}

/** What a TypeScript file hides from the compiler or the linter. Type tests may expect errors. */
export function overlooked(file: string, source: string): string[] {
  const problems: string[] = []
  const code = codeOnly(source)
  for (const [what, pattern] of Object.entries(OVERLOOKED)) {
    for (const { index } of code.matchAll(pattern)) problems.push(`${placeOf(file, source, index)}: ${what}`)
  }
  for (const { index, 0: found } of source.matchAll(SUPPRESSED)) {
    if (found.endsWith('expect-error') && /^tests\/(?:types|package\/programs)\//.test(file)) continue
    problems.push(`${placeOf(file, source, index)}: ${found}`)
  }
  return problems
}

function quantile(sorted: readonly number[], q: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? 0
}

if (import.meta.main) {
  const { ok, summary, details } = checkSize()
  console.log([summary, ...details].join('\n'))
  process.exitCode = ok ? 0 : 1
}
