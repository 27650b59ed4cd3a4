import { describe, expect, test } from 'bun:test'
import { byteAlphabet, spellBytes } from '../../../plugins/tokenizer/byte-level.ts'
import { createBpeTrainer } from '../../../plugins/tokenizer/mod.ts'
import { createPart } from '../../../plugins/tokenizer/part.ts'
import { createPreTokenizer, wholePiece } from '../../../plugins/tokenizer/pre-tokenizers.ts'

interface Trained {
  readonly vocab: Readonly<Record<string, number>>
  readonly merges: readonly (readonly [string, string])[]
}

function trained(text: string, vocabSize: number, specialTokens: readonly string[]): Trained {
  const trainer = createBpeTrainer({ vocabSize, specialTokens })
  trainer.add(text)
  return trainer.train().tokenizer['model'] as Trained
}

const train = (text: string, merges: number): Trained['merges'] =>
  trained(text, 257 + merges, ['<end>']).merges

describe('byteAlphabet()', () => {
  test('has 256 different characters, printable ones standing for themselves', () => {
    const alphabet = byteAlphabet()
    expect(new Set(alphabet).size).toBe(256)
    expect(['a', ' ', '\n', '\u00ad'].map(spellBytes)).toEqual(['a', 'Ġ', 'Ċ', 'ÂŃ'])
  })
})

test('words are cut as GPT-2 does: a space goes to the word after it, contractions are apart', () => {
  const split = createPreTokenizer(createPart({ type: 'ByteLevel', add_prefix_space: false }, 'ByteLevel'))
  expect(split(wholePiece({ text: "I don't  know 42 é!", start: 0 })).texts).toEqual([
    'I',
    'Ġdon',
    "'t",
    'Ġ',
    'Ġknow',
    'Ġ42',
    'ĠÃ©',
    '!',
  ])
})

describe('createBpeTrainer()', () => {
  test('puts special tokens first, then the bytes in the order of their characters', () => {
    const { vocab } = trained('a', 258, ['<end>', '<pad>'])
    const tokens = Object.entries(vocab)
      .toSorted(([, a], [, b]) => a - b)
      .map(([token]) => token)
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
    expect(() => createBpeTrainer({ vocabSize: 100, specialTokens: [] })).toThrow('has 256 (bytes')
  })
})
