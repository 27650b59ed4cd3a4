/**
 * Where rows of different lengths stand in one long stretch of tokens. Rows get room as they grow, in pages, and some ahead; one that cannot grow where it
 * stands moves. Numbers only: who holds the tokens moves them.
 */

/** A row's place, in tokens. */
export interface RowSpan {
  readonly start: number
  /** Tokens that there is room for. */
  readonly room: number
}

/** What has to move so that a row has its room. */
export interface RowMoves {
  /** Tokens of the stretch from now on. */
  readonly size: number
  /** Whether all rows move to a new stretch; else it is one row, to a place that does not overlap with its old one. */
  readonly isNew: boolean
  readonly rows: readonly { readonly row: number; readonly from: number; readonly to: number }[]
}

/** The room of all rows. */
export interface RowRoom {
  /** Tokens of the stretch. */
  readonly size: number
  spanOf(row: number): RowSpan
  /** Gives a row room for at least `tokens`; null: nothing moves. */
  reserve(row: number, tokens: number): RowMoves | null
  /** Takes the room of a row back; the rows that are left move together where little is used. */
  release(row: number): RowMoves | null
}

/** Room is given in pages of so many tokens. */
export const ROW_PAGE = 32

/** `capacity`: tokens of the longest row. */
export function createRowRoom(capacity: number): RowRoom {
  const spans = new Map<number, RowSpan>()
  let size = 0

  const inOrder = (): [number, RowSpan][] => [...spans].toSorted(([, a], [, b]) => a.start - b.start)
  const used = (): number => [...spans.values()].reduce((sum, { room }) => sum + room, 0)

  /** The first place with so much room that no other row has; null: there is none. */
  const gapFor = (row: number, room: number): number | null => {
    let at = 0
    for (const [other, span] of inOrder()) {
      if (other === row) continue
      if (span.start - at >= room) return at
      at = span.start + span.room
    }
    return size - at >= room ? at : null
  }
  /** All rows, one behind the other. */
  const together = (): RowMoves => {
    const rows: RowMoves['rows'][number][] = []
    let at = 0
    for (const [row, { start, room }] of inOrder()) {
      rows.push({ row, from: start, to: at })
      spans.set(row, { start: at, room })
      at += room
    }
    size = at === 0 ? 0 : Math.max(at, pages(at + (at >> 2)))
    return { size, isNew: true, rows }
  }
  /** Tokens before the next row, or the end, from where a row starts. */
  const roomAt = (row: number, { start }: RowSpan): number => {
    let end = size
    for (const [other, span] of spans)
      if (other !== row && span.start > start) end = Math.min(end, span.start)
    return end - start
  }
  return {
    get size() {
      return size
    },
    spanOf: (row) => spans.get(row) ?? NOWHERE,
    reserve(row, tokens) {
      const own = spans.get(row)
      if (own && own.room >= tokens) return null
      const room = Math.min(pages(capacity), pages(tokens + (tokens >> 2)))
      if (own && roomAt(row, own) >= room) {
        spans.set(row, { start: own.start, room })
        return null
      }
      const to = gapFor(row, room)
      // A place that overlaps with the old one is none: what moves is copied.
      const overlaps = own && to !== null && to < own.start + own.room && own.start < to + room
      if (to !== null && !overlaps) {
        spans.set(row, { start: to, room })
        return own ? { size, isNew: false, rows: [{ row, from: own.start, to }] } : null
      }
      spans.set(row, { start: own?.start ?? size, room })
      return together()
    },
    release(row) {
      spans.delete(row)
      return size > 0 && used() * 4 < size ? together() : null
    },
  }
}

const NOWHERE: RowSpan = { start: 0, room: 0 }

function pages(tokens: number): number {
  return Math.ceil(tokens / ROW_PAGE) * ROW_PAGE
}
