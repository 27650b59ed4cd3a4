/**
 * No bit of a message, nor of what is read of it, is other than it was when the hashes of the golden file were made (tests/oracle/coding_hashes.ts).
 */
import { describe, expect, test } from 'bun:test'
import { goldenJson } from '../../_golden.ts'
import { CODING_CASES, type CodingHashes } from './_coding-cases.ts'

const GOLDEN = goldenJson<CodingHashes>('compression', 'coding.json')

test('there is a hash for every case', () => {
  expect(Object.keys(GOLDEN)).toEqual(Object.keys(CODING_CASES))
})

describe('the same bits as ever', () => {
  // Their normal numbers are the engine's and the C library's.
  const isHere = process.platform === 'linux' && process.arch === 'x64' && 'bun' in process.versions
  for (const [name, hashOf] of Object.entries(CODING_CASES))
    test.skipIf(name.includes('powersgd') && !isHere)(name, () => expect(hashOf()).toBe(GOLDEN[name]))
})
