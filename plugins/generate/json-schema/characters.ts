/**
 * Characters of JSON strings: sets of code points as grammars of the bytes that write them, UTF-8 or an escape.
 */
import { byteIn, choice, type Grammar, literal, repeat, sequence } from './grammar.ts'

/** Code points, ends included, in order and apart. */
export type CodePoints = readonly (readonly [number, number])[]

export const ALL_CODE_POINTS: CodePoints = [
  [0, 0xd7ff],
  [0xe000, 0x10ffff],
]

/** Those that are not in a set. */
export function complement(points: CodePoints): CodePoints {
  const left: [number, number][] = []
  let from = 0
  for (const [first, last] of normalized(points)) {
    if (first > from) left.push([from, first - 1])
    from = last + 1
  }
  if (from <= 0x10ffff) left.push([from, 0x10ffff])
  return intersected(left, ALL_CODE_POINTS)
}

/** One character of a set as it is written in a JSON string: as itself, or escaped where it has to be. */
export function characterIn(points: CodePoints): Grammar {
  const options: Grammar[] = []
  const all = normalized(points)
  const plain = intersected(all, [
    [0x20, 0x21],
    [0x23, 0x5b],
    [0x5d, 0x7f],
  ])
  if (plain.length > 0) options.push(byteIn(...plain))
  for (const [first, last] of intersected(all, ESCAPED))
    for (let point = first; point <= last; point++)
      options.push(literal(JSON.stringify(String.fromCharCode(point)).slice(1, -1)))
  for (const [first, last] of intersected(all, [
    [0x80, 0xd7ff],
    [0xe000, 0x10ffff],
  ]))
    options.push(...utf8(first, last))
  return choice(...options)
}

const HEX = byteIn([0x30, 0x39], [0x41, 0x46], [0x61, 0x66])
const U = literal('\\u')
const D = byteIn([0x44, 0x44], [0x64, 0x64])

/** Any character of a JSON string, in any way that it can be written. */
export const ANY_CHARACTER: Grammar = choice(
  byteIn([0x20, 0x21], [0x23, 0x5b], [0x5d, 0x7f]),
  ...utf8(0x80, 0xd7ff),
  ...utf8(0xe000, 0x10ffff),
  sequence(
    literal('\\'),
    byteIn(...Array.from('"\\/bfnrt', (c) => [c.charCodeAt(0), c.charCodeAt(0)] as const)),
  ),
  sequence(
    U,
    byteIn([0x30, 0x39], [0x41, 0x43], [0x45, 0x46], [0x61, 0x63], [0x65, 0x66]),
    repeat(HEX, 3, 3),
  ),
  sequence(U, D, byteIn([0x30, 0x37]), repeat(HEX, 2, 2)),
  sequence(
    U,
    D,
    byteIn([0x38, 0x39], [0x41, 0x42], [0x61, 0x62]),
    repeat(HEX, 2, 2),
    U,
    D,
    byteIn([0x43, 0x46], [0x63, 0x66]),
    repeat(HEX, 2, 2),
  ),
)

// ---- helpers ----------------------------------------------------------------------------------------------------

const ESCAPED: CodePoints = [
  [0, 0x1f],
  [0x22, 0x22],
  [0x5c, 0x5c],
]

function normalized(points: CodePoints): CodePoints {
  const sorted = points.toSorted(([a], [b]) => a - b)
  const joined: [number, number][] = []
  for (const [first, last] of sorted) {
    const before = joined.at(-1)
    if (before && first <= before[1] + 1) before[1] = Math.max(before[1], last)
    else joined.push([first, last])
  }
  return joined
}

function intersected(a: CodePoints, b: CodePoints): CodePoints {
  return a.flatMap(([first, last]) =>
    b.flatMap(([from, to]): [number, number][] => {
      const [low, high] = [Math.max(first, from), Math.min(last, to)]
      return low <= high ? [[low, high]] : []
    }),
  )
}

/** The bytes of code points from 0x80 on, split where they do not run through all that a byte can be. */
function utf8(first: number, last: number): Grammar[] {
  for (const end of [0x7ff, 0xffff])
    if (first <= end && last > end) return [...utf8(first, end), ...utf8(end + 1, last)]
  const length = last <= 0x7ff ? 2 : last <= 0xffff ? 3 : 4
  for (let bits = 6; bits < 6 * length; bits += 6) {
    const low = (1 << bits) - 1
    if (first >> bits === last >> bits) continue
    if ((first & low) !== 0) return [...utf8(first, first | low), ...utf8((first | low) + 1, last)]
    if ((last & low) !== low) return [...utf8(first, (last & ~low) - 1), ...utf8(last & ~low, last)]
  }
  const encoder = new TextEncoder()
  const [from, to] = [first, last].map((point) => encoder.encode(String.fromCodePoint(point)))
  return [sequence(...Array.from(from, (byte, i) => byteIn([byte, to[i]])))]
}
