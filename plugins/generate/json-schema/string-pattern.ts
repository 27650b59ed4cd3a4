/**
 * `pattern` of JSON Schema: a regular expression as a grammar of the characters between the quotes. What a grammar of this kind cannot say (looking ahead,
 * going back to a group, borders of words) is refused.
 */
import { TrituneError } from '../../../core/mod.ts'
import { ALL_CODE_POINTS, characterIn, type CodePoints, complement } from './characters.ts'
import { choice, type Grammar, repeat, sequence } from './grammar.ts'

/** Throws E_CONFIG with the place in the pattern for what cannot be followed. */
export function stringPattern(pattern: string, place: string): Grammar {
  const characters = Array.from(pattern)
  let at = 0
  const wrong = (what: string): TrituneError =>
    new TrituneError('E_CONFIG', `pattern ${JSON.stringify(pattern)}: ${what} at character ${at}`, {
      place,
      remedy: 'use characters, classes, groups, | and repetitions, with ^ and $ at the ends',
    })
  const peek = (): string | undefined => characters[at]
  const startsWith = (text: string): boolean => characters.slice(at, at + text.length).join('') === text

  /** Alternatives up to the end or a closing bracket; at the top each has its own anchors. */
  const alternatives = (isTop: boolean): Grammar => {
    const options = [alternative(isTop)]
    while (peek() === '|') {
      at++
      options.push(alternative(isTop))
    }
    return choice(...options)
  }
  const alternative = (isTop: boolean): Grammar => {
    const items: Grammar[] = []
    const isBegun = isTop && peek() === '^'
    if (isBegun) at++
    let isEnded = false
    while (at < characters.length && peek() !== '|' && peek() !== ')') {
      if (peek() === '$' && isTop && [undefined, '|'].includes(characters[at + 1])) {
        at++
        isEnded = true
        break
      }
      items.push(repeated(atom()))
    }
    if (isTop && !isBegun) items.unshift(ANYTHING)
    if (isTop && !isEnded) items.push(ANYTHING)
    return sequence(...items)
  }
  const repeated = (item: Grammar): Grammar => {
    const limits = repetition()
    if (!limits) return item
    if (peek() === '?') at++
    if (repetition()) throw wrong('two repetitions')
    const [min, max] = limits
    if (max < min) throw wrong('a repetition that ends before it begins')
    return repeat(item, min, max)
  }
  const repetition = (): readonly [number, number] | null => {
    const next = peek()
    const known = next === '*' ? [0, Infinity] : next === '+' ? [1, Infinity] : next === '?' ? [0, 1] : null
    if (known) {
      at++
      return [known[0], known[1]]
    }
    const braces = /^\{(\d{1,6})(,(\d{1,6})?)?\}/.exec(characters.slice(at, at + 16).join(''))
    if (!braces) return null
    at += braces[0].length
    const min = Number(braces[1])
    return [min, braces[2] === undefined ? min : braces[3] === undefined ? Infinity : Number(braces[3])]
  }
  const atom = (): Grammar => {
    const next = peek()
    if (next === '(') {
      if (startsWith('(?:')) at += 3
      else if (startsWith('(?')) throw wrong('a group of another kind')
      else at++
      const inside = alternatives(false)
      if (peek() !== ')') throw wrong('a group without an end')
      at++
      return inside
    }
    if (next === '[') return characterIn(characterClass())
    if (next === '.') {
      at++
      return characterIn(complement(LINE_ENDS))
    }
    if (next === '\\') return characterIn(escaped())
    if (next === undefined || '^$*+?)'.includes(next)) throw wrong(`"${next ?? ''}"`)
    at++
    return characterIn(one(next))
  }
  const characterClass = (): CodePoints => {
    at++
    const isNegated = peek() === '^'
    if (isNegated) at++
    const points: (readonly [number, number])[] = []
    while (peek() !== ']') {
      if (at >= characters.length) throw wrong('a class without an end')
      const first = member()
      if (peek() === '-' && characters[at + 1] !== ']' && at + 1 < characters.length) {
        at++
        const last = member()
        if (first.length !== 1 || last.length !== 1 || last[0][1] < first[0][0]) throw wrong('a range')
        points.push([first[0][0], last[0][1]])
      } else points.push(...first)
    }
    at++
    const all = isNegated ? complement(points) : points
    if (all.length === 0) throw wrong('a class without characters')
    return all
  }
  const member = (): CodePoints => {
    const next = peek()
    if (next === '\\') return escaped()
    at++
    return one(next ?? '')
  }
  const escaped = (): CodePoints => {
    at++
    const name = peek()
    at++
    if (name === undefined) throw wrong('a \\ without a character')
    const known = CLASSES[name]
    if (known) return known
    const control = CONTROLS[name]
    if (control !== undefined) return [[control, control]]
    const code =
      name === 'x' || name === 'u'
        ? /^(?:\{([0-9a-f]{1,6})\}|([0-9a-f]{4})|([0-9a-f]{2}))/i.exec(characters.slice(at, at + 8).join(''))
        : null
    if (code) {
      const digits = code[1] ?? (name === 'u' ? code[2] : (code[2] ?? code[3])?.slice(0, 2))
      if (digits !== undefined) {
        at += code[1] === undefined ? digits.length : digits.length + 2
        const point = Number.parseInt(digits, 16)
        return [[point, point]]
      }
    }
    if (/[0-9a-z]/i.test(name)) throw wrong(`\\${name}`)
    return one(name)
  }

  const all = alternatives(true)
  if (at < characters.length) throw wrong(`"${characters[at]}"`)
  return all
}

// ---- helpers ----------------------------------------------------------------------------------------------------

const ANYTHING = repeat(characterIn(ALL_CODE_POINTS), 0)
const LINE_ENDS: CodePoints = [
  [0x0a, 0x0a],
  [0x0d, 0x0d],
  [0x2028, 0x2029],
]
const DIGITS: CodePoints = [[0x30, 0x39]]
const WORDS: CodePoints = [
  [0x30, 0x39],
  [0x41, 0x5a],
  [0x5f, 0x5f],
  [0x61, 0x7a],
]
const SPACES: CodePoints = [
  [0x09, 0x0d],
  [0x20, 0x20],
  [0xa0, 0xa0],
  [0x1680, 0x1680],
  [0x2000, 0x200a],
  [0x2028, 0x2029],
  [0x202f, 0x202f],
  [0x205f, 0x205f],
  [0x3000, 0x3000],
  [0xfeff, 0xfeff],
]
const CLASSES: Readonly<Record<string, CodePoints | undefined>> = {
  d: DIGITS,
  D: complement(DIGITS),
  w: WORDS,
  W: complement(WORDS),
  s: SPACES,
  S: complement(SPACES),
}
const CONTROLS: Readonly<Record<string, number | undefined>> = { n: 10, r: 13, t: 9, f: 12, v: 11, 0: 0 }

function one(character: string): CodePoints {
  const point = character.codePointAt(0) ?? 0
  return [[point, point]]
}
