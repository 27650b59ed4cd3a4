import { describe, expect, test } from 'bun:test'
import { trainBpe } from '../../../../scripts/recipes/tiny-llama/bpe.ts'
import { byteAlphabet, countWords } from '../../../../scripts/recipes/tiny-llama/byte-level.ts'

const train = (text: string, merges: number): readonly (readonly [string, string])[] =>
  trainBpe(countWords([text]), { vocabSize: 257 + merges, specialTokens: ['<end>'] }).merges

describe('byteAlphabet()', () => {
  test('has 256 different characters, printable ones standing for themselves', () => {
    const alphabet = byteAlphabet()
    expect(new Set(alphabet).size).toBe(256)
    expect(alphabet['a'.charCodeAt(0)]).toBe('a')
    expect([alphabet[0x20], alphabet[0x0a], alphabet[0xad]]).toEqual(['Ġ', 'Ċ', 'Ń'])
  })
})

describe('countWords()', () => {
  test('cuts as GPT-2 does: a space goes to the word after it, contractions are apart', () => {
    expect([...countWords(["I don't  know 42 é!"])]).toEqual(
      Object.entries({ I: 1, Ġdon: 1, "'t": 1, Ġ: 1, Ġknow: 1, Ġ42: 1, 'ĠÃ©': 1, '!': 1 }),
    )
  })

  test('adds up over texts', () => {
    expect(countWords(['a b', 'a b b']).get('Ġb')).toBe(3)
  })
})

describe('trainBpe()', () => {
  test('puts special tokens first, then the bytes in the order of their characters', () => {
    const { tokens } = trainBpe(new Map(), { vocabSize: 258, specialTokens: ['<end>', '<pad>'] })
    expect(tokens.slice(0, 4)).toEqual(['<end>', '<pad>', '!', '"'])
    expect(tokens).toHaveLength(258)
  })

  test('merges the most frequent pair first and builds on it', () => {
    // low ×5, lower ×2, newest ×6, widest ×3: the example of Sennrich et al. without word ends.
    const text = [
      ...Array(5).fill('low'),
      'lower',
      'lower',
      ...Array(6).fill('newest'),
      ...Array(3).fill('widest'),
    ]
    expect(train(text.join('\n'), 4)).toEqual([
      ['e', 's'],
      ['es', 't'],
      ['l', 'o'],
      ['lo', 'w'],
    ])
  })

  test('takes the pair with the smaller ids on a tie', () => {
    expect(train('cd\ncd\nab\nab\nba\nba', 1)).toEqual([['a', 'b']])
  })

  test('counts overlapping repetitions once per merge', () => {
    expect(train('aaaa\naaaa', 3)).toEqual([
      ['a', 'a'],
      ['aa', 'aa'],
    ])
  })

  test('stops when no pair occurs twice', () => {
    expect(train('abc', 10)).toEqual([])
  })

  test('refuses a vocabulary that cannot hold the bytes', () => {
    expect(() => trainBpe(new Map(), { vocabSize: 100, specialTokens: [] })).toThrow('from 256')
  })
})
