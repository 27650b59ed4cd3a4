/**
 * Room of rows: they never share a token, what moves is told, and little more is taken than is held.
 */
import { expect, test } from 'bun:test'
import { createRandom } from '../../../core/mod.ts'
import { createRowRoom, ROW_PAGE, type RowMoves } from '../../../plugins/models/_row-room.ts'

/** Marks each token of a stretch with its row, and moves the marks as the room says. */
function marked(capacity: number): {
  readonly room: ReturnType<typeof createRowRoom>
  grow(row: number, to: number): void
  free(row: number): void
  check(): void
} {
  const room = createRowRoom(capacity)
  const lengths = new Map<number, number>()
  let marks: (number | null)[] = []
  const move = (moves: RowMoves | null): void => {
    if (!moves) return
    const target = moves.isNew ? Array.from({ length: moves.size }, (): number | null => null) : marks
    for (const { row, from, to } of moves.rows)
      for (let i = 0; i < (lengths.get(row) ?? 0); i++) {
        expect(marks[from + i]).toBe(row)
        target[to + i] = row
        if (!moves.isNew) marks[from + i] = null
      }
    marks = target
  }
  return {
    room,
    grow(row, to) {
      move(room.reserve(row, to))
      const { start, room: own } = room.spanOf(row)
      expect(own).toBeGreaterThanOrEqual(to)
      for (let i = lengths.get(row) ?? 0; i < to; i++) {
        expect(marks[start + i]).toBeNull()
        marks[start + i] = row
      }
      lengths.set(row, to)
    },
    free(row) {
      const { start } = room.spanOf(row)
      for (let i = 0; i < (lengths.get(row) ?? 0); i++) marks[start + i] = null
      lengths.delete(row)
      move(room.release(row))
    },
    check() {
      for (const [row, length] of lengths) {
        const { start } = room.spanOf(row)
        expect(marks.slice(start, start + length)).toEqual(Array.from({ length }, () => row))
      }
      const held = [...lengths.values()].reduce((sum, length) => sum + length, 0)
      // A quarter ahead for each row, a quarter for all, a page each; and a quarter is used at least.
      const most = 1.6 * (held + lengths.size * ROW_PAGE) + ROW_PAGE
      expect(room.size).toBeLessThanOrEqual(4 * most)
      if (lengths.size === 0) expect(room.size).toBe(0)
    },
  }
}

test('rows that come, grow and go in any order keep their tokens', () => {
  const random = createRandom(1, 'rows')
  const { grow, free, check } = marked(600)
  const lengths = new Map<number, number>()
  for (let i = 0; i < 2000; i++) {
    const row = random.int(12)
    const length = lengths.get(row) ?? 0
    if (length > 0 && random.int(9) === 0) {
      free(row)
      lengths.delete(row)
    } else if (length < 600) {
      const to = Math.min(600, length + 1 + random.int(random.int(4) === 0 ? 200 : 20))
      grow(row, to)
      lengths.set(row, to)
    }
    check()
  }
  for (const row of lengths.keys()) free(row)
})

test('a row that grows by one moves seldom', () => {
  const room = createRowRoom(4096)
  let copied = 0
  for (let length = 1; length <= 4096; length++)
    for (const row of [0, 1]) copied += room.reserve(row, length)?.rows.length ? length : 0
  expect(copied).toBeLessThan(10 * 2 * 4096)
  expect(room.size).toBeLessThanOrEqual(1.3 * 2 * 4096)
})
