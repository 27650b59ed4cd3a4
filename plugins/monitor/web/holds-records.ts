/** Whether a `.json` file looks as one of records, by its beginning: a list of objects, or objects line by line. Whoever reads it says for sure. */
import { closeSync, openSync, readSync } from 'node:fs'

const LOOKED_AT = 1 << 16

/** False for what cannot be read. */
export function holdsRecords(path: string): boolean {
  const text = beginningOf(path)
  if (/^\s*\[\s*\{/.test(text)) return true
  const end = text.indexOf('\n')
  // A line that is longer than this is no setting.
  if (end === -1) return text.length >= LOOKED_AT / 4 && text.startsWith('{')
  return isObject(text.slice(0, end)) && /^\s*(\{|$)/.test(text.slice(end))
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function beginningOf(path: string): string {
  try {
    const fd = openSync(path, 'r')
    try {
      const bytes = new Uint8Array(LOOKED_AT)
      return new TextDecoder().decode(bytes.subarray(0, readSync(fd, bytes)))
    } finally {
      closeSync(fd)
    }
  } catch {
    return ''
  }
}

function isObject(line: string): boolean {
  try {
    return line.trimStart().startsWith('{') && typeof JSON.parse(line) === 'object'
  } catch {
    return false
  }
}
