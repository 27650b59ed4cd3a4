/** A value of a configuration as it appears in a message: short, on one line. */

const LENGTH = 60

/**
 * A value of a configuration as it appears in a message: JSON on one line, cut where it is long; `nothing` for
 * undefined, the count of bytes.
 */
export function showValue(value: unknown): string {
  if (value === undefined) return 'nothing'
  if (typeof value === 'number' || typeof value === 'bigint') return String(value)
  if (value instanceof Uint8Array) return `${value.length} bytes`
  return shortText(jsonOf(value))
}

/** At most 60 characters of a text. */
export function shortText(text: string): string {
  return text.length > LENGTH ? `${text.slice(0, LENGTH - 3)}…` : text
}

function jsonOf(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.slice(0, LENGTH + 1))
  try {
    return JSON.stringify(value) ?? String(value)
  } catch {
    // Too deep for the stack.
    return Array.isArray(value) ? 'a list' : 'a mapping'
  }
}
