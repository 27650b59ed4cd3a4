/**
 * Texts in the cells of a terminal: how wide they are, cut and filled to a width. A line is made of pieces with a style, painted last, so that widths
 * never count colours. Control characters of texts from elsewhere become pictures, so that they do nothing to the terminal.
 */
import { styleText } from 'node:util'

/** Styles that a piece can have. */
export type Style = 'dim' | 'bold' | 'green' | 'yellow' | 'red' | 'cyan' | 'inverse'

/** A part of a line. */
export interface Piece {
  readonly text: string
  readonly style?: Style | undefined
}

/** A line of the screen. */
export type Line = readonly Piece[]

/** Characters that take two cells: East Asian scripts, full-width forms, most emoji. */
const WIDE =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{1f300}-\u{1f64f}\u{1f680}-\u{1f9ff}\u{20000}-\u{3fffd}]/u
/** Those that stand on the one before, or that nobody sees. */
const NARROW = /[\p{Mn}\p{Me}\p{Cf}]/u

const graphemes = new Intl.Segmenter('en', { granularity: 'grapheme' })

/** A text from anywhere as one line that does nothing to a terminal. */
export function plainLine(text: string): string {
  return text.replace(/[\n\r\t]+/g, ' ').replace(/[\p{Cc}\u202a-\u202e\u2066-\u2069]/gu, (character) => {
    const code = character.codePointAt(0) ?? 0
    return code < 0x20 ? String.fromCodePoint(0x2400 + code) : '\u2426'
  })
}

/** Cells that a text takes. */
export function cellsOf(text: string): number {
  let cells = 0
  for (const { segment } of graphemes.segment(text)) cells += cellsOfOne(segment)
  return cells
}

/** The line in just so many cells: cut, or filled with blanks. */
export function fitted(line: Line, columns: number): Line {
  const pieces: Piece[] = []
  let left = columns
  for (const { text, style } of line) {
    const cut = cutTo(text, left)
    left -= cellsOf(cut)
    pieces.push({ text: cut, style })
    if (cut !== text) break
  }
  return left > 0 ? [...pieces, { text: ' '.repeat(left) }] : pieces
}

/** A text over several lines of at most so many cells; words stay whole where they can. */
export function wrapped(text: string, columns: number, rows: number): string[] {
  const lines: string[] = []
  let rest = plainLine(text).trim()
  while (rest !== '' && lines.length < rows) {
    const whole = cutTo(rest, columns)
    const blank = whole === rest ? -1 : whole.lastIndexOf(' ')
    const line = blank > columns / 2 ? whole.slice(0, blank) : whole
    lines.push(line)
    rest = rest.slice(line.length).trimStart()
  }
  return lines
}

/** The line as it is written; without colours its texts alone. */
export function painted(line: Line, colour: boolean): string {
  return line
    .map(({ text, style }) =>
      colour && style !== undefined ? styleText(style, text, { validateStream: false }) : text,
    )
    .join('')
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function cellsOfOne(grapheme: string): number {
  if (WIDE.test(grapheme)) return 2
  return NARROW.test(grapheme) && [...grapheme].length === 1 ? 0 : 1
}

function cutTo(text: string, columns: number): string {
  let [cut, left] = ['', columns]
  for (const { segment } of graphemes.segment(text)) {
    left -= cellsOfOne(segment)
    if (left < 0) break
    cut += segment
  }
  return cut
}
