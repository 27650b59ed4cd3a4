/**
 * JSON values as grammars: as they are written here, with one space at most behind commas and colons, and numbers of no more digits than JavaScript keeps.
 */
import { ANY_CHARACTER } from './characters.ts'
import { byteIn, choice, type Grammar, literal, oneOf, optional, repeat, rule, sequence } from './grammar.ts'

const QUOTE = literal('"')
const SPACE = optional(literal(' '))
const DIGIT = byteIn([0x30, 0x39])
const NON_ZERO = byteIn([0x31, 0x39])
const MINUS = optional(literal('-'))
export const COMMA: Grammar = sequence(literal(','), SPACE)
const COLON = sequence(literal(':'), SPACE)

/** Digits of a number before the point, and behind it. */
export const MOST_DIGITS = 15

export function quoted(characters: Grammar): Grammar {
  return sequence(QUOTE, characters, QUOTE)
}

/** A string of so many characters. */
export function stringOf(min: number, max: number): Grammar {
  return quoted(repeat(ANY_CHARACTER, min, max))
}

const WHOLE = choice(literal('0'), sequence(NON_ZERO, repeat(DIGIT, 0, MOST_DIGITS - 1)))
export const INTEGER: Grammar = sequence(MINUS, WHOLE)
export const NUMBER: Grammar = sequence(
  MINUS,
  WHOLE,
  optional(sequence(literal('.'), repeat(DIGIT, 1, MOST_DIGITS))),
  optional(sequence(oneOf('eE'), optional(oneOf('+-')), repeat(DIGIT, 1, 2))),
)
export const BOOLEAN: Grammar = choice(literal('true'), literal('false'))
export const NULL: Grammar = literal('null')

/** `item, item, …` of so many items; `wrap` puts the brackets round. */
export function listOf(item: Grammar, min: number, max: number): Grammar {
  if (max === 0) return sequence()
  const some = sequence(item, repeat(sequence(COMMA, item), Math.max(0, min - 1), max - 1))
  return min === 0 ? optional(some) : some
}

export function bracketed(open: string, inside: Grammar, close: string): Grammar {
  return sequence(literal(open), inside, literal(close))
}

/** `"key": value` */
export function pair(key: Grammar, value: Grammar): Grammar {
  return sequence(key, COLON, value)
}

/** An object with any keys. */
export function mapOf(value: Grammar): Grammar {
  return bracketed('{', listOf(pair(stringOf(0, Infinity), value), 0, Infinity), '}')
}

/** Any JSON value. */
export const ANY_VALUE: Grammar = rule(() =>
  choice(
    stringOf(0, Infinity),
    NUMBER,
    BOOLEAN,
    NULL,
    mapOf(ANY_VALUE),
    bracketed('[', listOf(ANY_VALUE, 0, Infinity), ']'),
  ),
)

/** Whole numbers from `min` to `max`, both safe integers of at most MOST_DIGITS digits. */
export function integersIn(min: number, max: number): Grammar {
  const options: Grammar[] = []
  if (min < 0) options.push(sequence(literal('-'), naturals(Math.max(1, -max), -min)))
  if (max >= 0) options.push(naturals(Math.max(0, min), max))
  return choice(...options)
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function naturals(min: number, max: number): Grammar {
  const options: Grammar[] = []
  for (let from = min; from <= max;) {
    const end = Math.min(max, 10 ** String(from).length - 1)
    const span = spanFrom(from, end)
    const free = Math.log10(span)
    const fixed = String(from).slice(0, String(from).length - Math.round(free))
    // Several stretches that differ in one digit are one.
    const last = Number(fixed.at(-1))
    let count = 1
    while (last + count <= 9 && from + (count + 1) * span - 1 <= end) count++
    const digit = 0x30 + last
    options.push(
      sequence(
        literal(fixed.slice(0, -1)),
        byteIn([digit, digit + count - 1]),
        repeat(DIGIT, Math.round(free), Math.round(free)),
      ),
    )
    from += count * span
  }
  return choice(...options)
}

/** The longest stretch from a number on whose last digits run through all that there are. */
function spanFrom(from: number, end: number): number {
  const wider = SPANS.findLast((span) => from % span === 0 && from + span - 1 <= end)
  return from === 0 ? 1 : (wider ?? 1)
}

const SPANS: readonly number[] = Array.from({ length: MOST_DIGITS }, (_, digits) => 10 ** digits)
