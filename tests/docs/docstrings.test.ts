import { describe, expect, test } from 'bun:test'
import { join } from 'node:path'
import { docstringProblems } from '../../scripts/checks/docstrings.ts'
import { type EntryPoint, type ExportedSymbol, readApi } from '../../scripts/docs/api.ts'
import { FIRST_MET } from '../../scripts/docs/first-met.ts'

const made = (symbol: Partial<ExportedSymbol>): EntryPoint => ({
  name: 'tritune/core',
  file: 'core/mod.ts',
  doc: '',
  symbols: [
    {
      name: 'addAll',
      kind: 'function',
      signatures: [],
      doc: '',
      tags: [],
      file: 'core/a.ts',
      line: 3,
      ...symbol,
    },
  ],
})
const example = { kind: 'example', doc: '```ts\naddAll([])\n```' }

describe('docstrings', () => {
  test('every export has one, and what people meet first has an example', () => {
    expect(docstringProblems(readApi(join(import.meta.dir, '../..')), FIRST_MET)).toEqual([])
    expect([...FIRST_MET.values()].flat().length).toBeGreaterThanOrEqual(100)
  })

  test.each(['', '  ', 'Add all.', 'The addAll'])('"%s" is none for addAll', (doc) => {
    expect(docstringProblems([made({ doc })], new Map())).toEqual([
      'core/a.ts:3: addAll of tritune/core has no docstring',
    ])
  })

  test('an example that is missing, or of what there is not, is told', () => {
    const doc = 'Sum of all.'
    const problems = (symbol: Partial<ExportedSymbol>, name: string): string[] =>
      docstringProblems([made({ doc, ...symbol })], new Map([['tritune/core', [name]]]))
    expect(problems({ tags: [example] }, 'addAll')).toEqual([])
    expect(problems({}, 'addAll')).toEqual(['core/a.ts:3: addAll has no @example'])
    expect(problems({ tags: [{ kind: 'example', doc: 'call it' }] }, 'addAll')).toHaveLength(1)
    expect(problems({}, 'addSome')[0]).toStartWith('tritune/core has no export addSome')
  })
})
