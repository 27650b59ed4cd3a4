/**
 * Stop texts in a text that grows.
 */
import { expect, test } from 'bun:test'
import { watchForStops } from '../../../plugins/generate/mod.ts'

function given(stops: readonly string[], text: string, size: number): (string | null)[] {
  const watch = watchForStops(stops)
  let said = ''
  for (let at = 0; at < text.length; at += size) said += watch.push(text.slice(at, at + size))
  return [said + watch.end(), watch.found, watch.after]
}

test('the first one ends the text, however it is cut; what is behind it is kept apart', () => {
  for (const size of [1, 2, 3, 100]) {
    expect(given([], 'abc', size)).toEqual(['abc', null, ''])
    expect(given(['', 'x'], 'abc', size)).toEqual(['abc', null, ''])
    expect(given(['b'], 'abc', size)).toEqual(['a', 'b', 'c'])
    expect(given(['d', 'bc'], 'abcd', size)).toEqual(['a', 'bc', 'd'])
    expect(given(['aab'], 'aaab', size)).toEqual(['a', 'aab', ''])
    expect(given(['##'], 'a#b##', size)).toEqual(['a#b', '##', ''])
  }
  // Of two that begin at one place the longer one, where both are there.
  expect(given(['b', 'bc'], 'abcd', 100)).toEqual(['a', 'bc', 'd'])
})

test('only what could begin a stop text is held back', () => {
  const watch = watchForStops(['</s>', '\n\n'])
  const pieces = ['a', '<', '/', 'b', '\n', 'c</', 's', '>d'].map((text) => watch.push(text))
  expect(pieces).toEqual(['a', '', '', '</b', '', '\nc', '', ''])
  expect([watch.found, watch.after, watch.end()]).toEqual(['</s>', 'd', ''])
})

test('no piece is half a character', () => {
  const watch = watchForStops(['cdx', '\u{1f600}x'])
  const pieces = [...'ab\u{1f600}cd']
    .flatMap((character) => character.split(''))
    .map((unit) => watch.push(unit))
  for (const piece of [...pieces, watch.end()]) expect(piece.isWellFormed()).toBe(true)
  expect([...pieces].join('')).toBe('ab\u{1f600}')
})
