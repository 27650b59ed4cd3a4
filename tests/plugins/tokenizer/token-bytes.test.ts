/**
 * The bytes of single tokens: behind each other they are the text, whatever the kind of the tokenizer.
 */
import { expect, test } from 'bun:test'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { loadTokenizer } from '../../../plugins/tokenizer/mod.ts'
import { GOLDEN, goldenJson } from '../../_golden.ts'

interface Golden {
  readonly tokenizer: Readonly<Record<string, unknown>>
  readonly cases: readonly { readonly bare: number[] }[]
}

test.each(readdirSync(join(GOLDEN, 'tokenizer/families')))('%s', (family) => {
  for (const { tokenizer: file, cases } of goldenJson<Golden[]>('tokenizer/families', family)) {
    const tokenizer = loadTokenizer({
      place: 'golden',
      tokenizer: file,
      config: {},
      chatTemplates: new Map(),
      stopIds: [],
    })
    const bytesOf = (ids: readonly number[]): number[] =>
      ids.flatMap((id) => [...(tokenizer.bytesOf(id) ?? [])])
    const first = Array.from({ length: tokenizer.vocabSize }, (_, id) => id).find((id) =>
      /^[a-z]$/.test(tokenizer.tokenOf(id) ?? ''),
    )
    for (const { bare } of cases) {
      let bytes: number[]
      try {
        bytes = bytesOf(bare)
      } catch (error) {
        expect(String(error)).toContain('they change what stands before them')
        continue
      }
      const head = first === undefined ? [] : [first]
      const all = tokenizer.decode([...head, ...bare], { skipSpecialTokens: true })
      // A run of byte tokens that is no text is shown byte by byte.
      if (all.includes('\uFFFD')) continue
      const before = tokenizer.decode(head)
      expect(before + new TextDecoder('utf-8', { ignoreBOM: true }).decode(Uint8Array.from(bytes))).toBe(all)
    }
    const [hidden] = [...tokenizer.specialIds].filter(
      (id) => tokenizer.decode([id], { skipSpecialTokens: true }) === '',
    )
    if (hidden !== undefined) expect(tokenizer.bytesOf(hidden)).toBeNull()
    expect(tokenizer.bytesOf(tokenizer.vocabSize + 5)).toBeNull()
  }
})
