/**
 * Broken versions of texts, bytes and JSON values that were right.
 */
import { type Dice, HOSTILE_NUMBERS } from './random.ts'

const SNIPPETS: readonly string[] = [
  '\0',
  '\u{feff}',
  '\ud800',
  '𝔘',
  '\u202e',
  '\r\n',
  '\t',
  ' ',
  '',
  '"',
  "'",
  '{{',
  '}}',
  '{%',
  '%}',
  '[',
  ']',
  '{',
  '}',
  ':',
  ',',
  '-',
  '&a',
  '*a',
  '<<',
  '!!',
  '|',
  '>',
  '#',
  '1e999',
  '-0',
  '9223372036854775808',
  'null',
  'NaN',
  'true',
  '~',
  '__proto__',
  'constructor',
  'toString',
  '../../x',
  '/dev/zero',
  '%s',
  '\\u0000',
  '\\',
]

export function mutateText(dice: Dice, seeds: readonly string[]): string {
  let text = dice.pick(seeds)
  for (let n = dice.between(1, 6); n > 0; n--) {
    const at = dice.int(text.length + 1)
    const end = Math.min(text.length, at + dice.pick([0, 1, 4, 40, 400]))
    switch (dice.int(5)) {
      case 0:
        text = text.slice(0, at) + dice.pick(SNIPPETS).repeat(dice.pick([1, 1, 2, 500])) + text.slice(end)
        break
      case 1:
        text = text.slice(0, at) + text.slice(end)
        break
      case 2:
        text = text.slice(0, at) + text.slice(at, end).repeat(dice.pick([2, 3, 50])) + text.slice(end)
        break
      case 3: {
        const other = dice.pick(seeds)
        const from = dice.int(other.length + 1)
        text = text.slice(0, at) + other.slice(from, from + 200) + text.slice(end)
        break
      }
      default:
        text = text.replace(/-?\d+(\.\d+)?(e-?\d+)?/, () => String(dice.pick(HOSTILE_NUMBERS)))
    }
  }
  return text
}

export function mutateBytes(dice: Dice, seed: Uint8Array): Uint8Array {
  let bytes = new Uint8Array(seed)
  for (let n = dice.between(1, 5); n > 0; n--) {
    // The beginning holds the lengths and types.
    const at = dice.int(Math.max(1, dice.chance(0.7) ? Math.min(bytes.length, 600) : bytes.length))
    const end = Math.min(bytes.length, at + dice.pick([1, 8, 64]))
    switch (dice.int(5)) {
      case 0:
        bytes[at] = dice.int(256)
        break
      case 1:
        bytes[at] ^= 1 << dice.int(8)
        break
      case 2:
        bytes = bytes.slice(0, dice.int(bytes.length + 1))
        break
      case 3:
        bytes = Uint8Array.from([...bytes.subarray(0, at), ...bytes.subarray(end)])
        break
      default:
        bytes.fill(dice.pick([0, 255, 127, 128]), at, end)
    }
  }
  return bytes
}

/** A JSON value with one to three of its parts changed, dropped, doubled or nested. */
export function mutateJson(dice: Dice, value: unknown): unknown {
  let changed = value
  for (let n = dice.pick([1, 1, 2, 3]); n > 0; n--) changed = mutatePart(dice, changed)
  return changed
}

function mutatePart(dice: Dice, value: unknown): unknown {
  const goDeeper = dice.chance(0.85)
  if (Array.isArray(value) && value.length > 0 && goDeeper) {
    const at = dice.int(value.length)
    if (dice.chance(0.1)) return value.toSpliced(at, 1)
    return value.with(at, mutatePart(dice, value[at]))
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value) && goDeeper) {
    const keys = Object.keys(value)
    if (keys.length > 0) {
      const key = dice.pick(keys)
      const rest = Object.fromEntries(Object.entries(value).filter(([name]) => name !== key))
      if (dice.chance(0.15)) return rest
      const part = mutatePart(dice, Reflect.get(value, key))
      return dice.chance(0.1) ? { ...rest, [`${key}x`]: part } : { ...value, [key]: part }
    }
  }
  return hostileJson(dice, value)
}

function hostileJson(dice: Dice, value: unknown): unknown {
  const kind = dice.int(8)
  if (typeof value === 'string' && kind < 4) return mutateText(dice, [value, 'x'])
  if (typeof value === 'number' && kind < 5)
    return dice.chance(0.3) ? value + dice.pick([-1, 1, 1e6]) : dice.pick(HOSTILE_NUMBERS)
  if (kind === 0) return null
  if (kind === 1) return dice.pick([[], {}, '', 0, true])
  if (kind === 2) return nested(dice.pick([3, 200]))
  if (kind === 3) return dice.pick(HOSTILE_NUMBERS)
  if (kind === 4) return dice.pick(SNIPPETS)
  if (kind === 5) return [value, value]
  return { value }
}

export function nested(depth: number): unknown {
  let value: unknown = 1
  for (let i = 0; i < depth; i++) value = [value]
  return value
}
