/**
 * Curves of very many points, with no more of them than a chart has columns: of each column the least and the greatest stay, so no spike is lost. All curves
 * of a chart share the columns, so that they need not be aligned.
 */

/** Twice the columns of a wide chart. */
export const MOST = 2000

/**
 * @template {{ xs: number[], ys: (number | null)[] }} L
 * @param {L[]} lines
 * @param {[number, number] | null} range what is seen of x; null: all
 * @returns {L[]} those with more points than `MOST` in the range thinned, the others as they are
 */
export function thin(lines, range) {
  const long = lines.filter(({ xs }) => xs.length > MOST)
  if (long.length === 0) return lines
  const [low, high] = range ?? [
    Math.min(...long.map(({ xs }) => xs[0])),
    Math.max(...long.map(({ xs }) => xs[xs.length - 1])),
  ]
  if (!(high > low)) return lines
  return lines.map((line) => {
    const from = lowerBound(line.xs, low)
    const to = lowerBound(line.xs, high) + 1
    if (to - from <= MOST) return range === null ? line : { ...line, ...part(line, from - 1, to + 1) }
    return { ...line, ...thinned(line, { from, to: Math.min(to, line.xs.length), low, high }) }
  })
}

/** @param {{ xs: number[], ys: (number | null)[] }} line @param {number} from @param {number} to */
function part({ xs, ys }, from, to) {
  const start = Math.max(0, from)
  return { xs: xs.slice(start, to), ys: ys.slice(start, to) }
}

/** @param {{ xs: number[], ys: (number | null)[] }} line @param {{ from: number, to: number, low: number, high: number }} window */
function thinned({ xs, ys }, { from, to, low, high }) {
  const width = (2 * (high - low)) / MOST
  /** @type {{ xs: number[], ys: (number | null)[] }} */
  const found = { xs: [], ys: [] }
  for (let i = from; i < to;) {
    const column = Math.floor((xs[i] - low) / width)
    let end = i
    let least = /** @type {number | null} */ (null)
    let most = /** @type {number | null} */ (null)
    let isLeastFirst = true
    let isWhole = true
    for (; end < to && Math.floor((xs[end] - low) / width) === column; end++) {
      const y = ys[end]
      if (y === null || !Number.isFinite(y)) {
        isWhole = false
        continue
      }
      if (least === null || y < least) {
        least = y
        isLeastFirst = false
      }
      if (most === null || y > most) {
        most = y
        isLeastFirst = true
      }
    }
    // What is not a number is seen as a gap, however many points are around it.
    const [first, second] = isWhole ? (isLeastFirst ? [least, most] : [most, least]) : [most ?? null, null]
    found.xs.push(low + column * width, low + (column + 0.5) * width)
    found.ys.push(first, second)
    i = end
  }
  return found
}

/** The first place where `sorted` is at least `value`. @param {number[]} sorted @param {number} value */
function lowerBound(sorted, value) {
  let from = 0
  let to = sorted.length
  while (from < to) {
    const middle = (from + to) >> 1
    if (sorted[middle] < value) from = middle + 1
    else to = middle
  }
  return from
}
