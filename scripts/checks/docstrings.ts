/**
 * Every export of the public entry points says what it is, and those that people meet first show how they are used. Reads what `deno doc` reads.
 */
import { readApi } from '../docs/api.ts'
import type { EntryPoint } from '../docs/api.ts'
import { FIRST_MET } from '../docs/first-met.ts'
import { ROOT } from '../_setup.ts'
import { type Verdict, verdict } from './_files.ts'

export function checkDocstrings(): Verdict {
  const api = readApi(ROOT)
  const count = api.reduce((sum, { symbols }) => sum + symbols.length, 0)
  const shown = [...FIRST_MET.values()].flat().length
  return verdict(
    `${count} exports say what they are, ${shown} with an example`,
    docstringProblems(api, FIRST_MET),
  )
}

/** Exports without a docstring, or with one that repeats the name; names of `firstMet` that have no example, or are none. */
export function docstringProblems(
  api: readonly EntryPoint[],
  firstMet: ReadonlyMap<string, readonly string[]>,
): string[] {
  const undocumented = api.flatMap(({ name: entry, symbols }) =>
    symbols
      .filter(({ name, doc }) => !saysSomething(name, doc))
      .map(({ name, file, line }) => `${file}:${line}: ${name} of ${entry} has no docstring`),
  )
  const withoutExample = [...firstMet].flatMap(([entry, names]) => {
    const symbols = api.find(({ name }) => name === entry)?.symbols ?? []
    return names.flatMap((name) => {
      const symbol = symbols.find((other) => other.name === name)
      if (symbol === undefined) return [`${entry} has no export ${name}: change scripts/docs/first-met.ts`]
      if (symbol.tags.some(({ kind, doc }) => kind === 'example' && doc?.includes('```ts'))) return []
      return [`${symbol.file}:${symbol.line}: ${name} has no @example`]
    })
  })
  return [...undocumented, ...withoutExample]
}

/** Not nothing, and not the name over again. */
function saysSomething(name: string, doc: string): boolean {
  const letters = (text: string): string => text.toLowerCase().replace(/[^\p{L}\p{N}]/gu, '')
  const said = letters(doc.replace(/\b(the|a|an|of|its|for)\b/gi, ''))
  return said !== '' && said !== letters(name)
}
