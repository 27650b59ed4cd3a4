import { describe, expect, test } from 'bun:test'
import { cleanProse, cutPassages, splitSentences } from '../../../../scripts/recipes/tiny-llama/prose.ts'

describe('cleanProse()', () => {
  test('writes quotes, dashes and spaces in one way', () => {
    expect(cleanProse(' “It’s --  a whale – ‘here’ ,”\n\nhe said…')).toBe(`"It's—a whale—'here'," he said…`)
  })

  test('takes out what the audience did', () => {
    expect(cleanProse('Thank you. (Applause.) We [laughter] go [p.2] on.')).toBe('Thank you. We go on.')
  })
})

describe('splitSentences()', () => {
  test('splits at the end of sentences, behind closing quotes', () => {
    expect(splitSentences('"Call me." He did! Why? "Who knows," I said. 3 days.')).toEqual([
      '"Call me."',
      'He did!',
      'Why?',
      '"Who knows," I said.',
      '3 days.',
    ])
  })

  test('does not split after titles, initials and lower case', () => {
    const text = 'Mr. Starbuck and J. Q. Adams said no. e.g. this'
    expect(splitSentences(text)).toEqual([text])
  })
})

describe('cutPassages()', () => {
  const sentences = Array.from({ length: 10 }, (_, i) => `Sentence number ${i} here.`)

  test('keeps every sentence, whole and in order', () => {
    const passages = cutPassages(sentences.join(' '), { minWords: 4, target: () => 10 })
    expect(passages.join(' ')).toBe(sentences.join(' '))
    expect(passages.map((text) => text.split(' ').length)).toEqual([12, 12, 12, 4])
  })

  test('gives a short rest to the passage before it', () => {
    const passages = cutPassages(sentences.join(' '), { minWords: 5, target: () => 10 })
    expect(passages.map((text) => text.split(' ').length)).toEqual([12, 12, 16])
  })

  test('gives nothing for an empty text', () => {
    expect(cutPassages('', { minWords: 5, target: () => 10 })).toEqual([])
  })
})
