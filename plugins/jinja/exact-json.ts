/**
 * JSON → data for templates, without what `JSON.parse` loses: 1.0 stays a float (Python writes it as 1.0), and integers
 * beyond 2^53 stay exact. Everything else is as `JSON.parse` gives it.
 */
import { Float } from './values.ts'

/** Digits after a point, an exponent, or very many digits: only then can a number be lost. */
const SUSPECT = /\d\.\d|\d[eE]|\d{16}/

/** JSON as Python reads it: numbers keep what JavaScript would lose (1.0 and 1, large integers). Throws SyntaxError. */
export function parseExactJson(text: string): unknown {
  if (!SUSPECT.test(text)) return JSON.parse(text)
  return JSON.parse(text, (_key, value: unknown, context?: { readonly source?: string }) => {
    const source = context?.source
    if (typeof value !== 'number' || source === undefined) return value
    if (/[.eE]/.test(source))
      return Number.isInteger(value) || !Number.isFinite(value) ? new Float(value) : value
    return Number.isSafeInteger(value) ? value : BigInt(source)
  })
}
