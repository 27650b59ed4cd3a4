/**
 * Counts, bytes and durations for people.
 */

/** A count for people, with three digits from ten thousand on: `1234`, `12.3 k`, `135 M`. */
export function formatCount(n: number): string {
  for (const [unit, size] of [
    ['G', 1e9],
    ['M', 1e6],
    ['k', 1e3],
  ] as const)
    if (n >= 10 * size || (n >= size && unit !== 'k')) return `${(n / size).toPrecision(3)} ${unit}`
  return String(n)
}

/** Bytes for people: `1.5 GiB`, `640 KiB`, `12 B`. */
export function formatBytes(n: number): string {
  for (const [unit, size] of [
    ['GiB', 2 ** 30],
    ['MiB', 2 ** 20],
    ['KiB', 2 ** 10],
  ] as const)
    if (n >= size) return `${(n / size).toFixed(n >= 10 * size ? 0 : 1)} ${unit}`
  return `${n} B`
}

/** Seconds for people: `350 ms`, `42 s`, `12 min`, `3 h 5 min`. */
export function formatDuration(seconds: number): string {
  if (seconds < 1) return `${Math.max(1, Math.round(seconds * 1000))} ms`
  if (seconds < 90) return `${seconds.toFixed(seconds < 10 ? 1 : 0)} s`
  const minutes = Math.round(seconds / 60)
  return minutes < 90 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`
}

export interface FitOptions {
  /** Positions of parts that may be left out, in this order. */
  readonly drop?: readonly number[]
  /** Position of the part that loses its middle when that is not enough; default: the first. */
  readonly elide?: number
}

/** The parts as one line that a terminal of so many columns does not break; the last column stays free. */
export function fitLine(
  parts: readonly string[],
  columns: number,
  { drop = [], elide = 0 }: FitOptions = {},
): string {
  const room = Math.max(1, columns - 1)
  const left = new Set<number>()
  const line = (middle?: string): string =>
    parts.flatMap((part, i) => (left.has(i) ? [] : [i === elide ? (middle ?? part) : part])).join('  ')
  for (const position of drop) {
    if (line().length <= room) break
    left.add(position)
  }
  const excess = line().length - room
  if (excess <= 0) return line()
  return line(withoutMiddle(parts[elide], Math.max(1, parts[elide].length - excess))).slice(0, room)
}

function withoutMiddle(text: string, room: number): string {
  const head = Math.ceil((room - 1) / 2)
  return `${text.slice(0, head)}…${text.slice(text.length - (room - 1 - head))}`
}
