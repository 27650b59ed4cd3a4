/**
 * A chart of curves as one SVG text: lines over steps, with axes in round numbers. It needs no script, and its colours are those of the page.
 */
import { shortNumber } from '../../runs/mod.ts'
import { escaped } from './escaped.ts'

/** One curve: points in the order of their steps. */
export interface Curve {
  readonly name: string
  readonly points: readonly (readonly [step: number, value: number])[]
}

const WIDTH = 720
const HEIGHT = 220
const LEFT = 64
const RIGHT = 12
const TOP = 12
const BOTTOM = 28

/** null where no curve has a point. Points that are not finite are left out; a curve of one point is a dot. */
export function lineChart(title: string, curves: readonly Curve[]): string | null {
  const drawn = curves
    .map(({ name, points }) => ({ name, points: points.filter((point) => point.every(Number.isFinite)) }))
    .filter(({ points }) => points.length > 0)
  const all = drawn.flatMap(({ points }) => points)
  if (all.length === 0) return null
  const x = axis(
    all.map(([step]) => step),
    LEFT,
    WIDTH - RIGHT,
  )
  const y = axis(
    all.map(([, value]) => value),
    HEIGHT - BOTTOM,
    TOP,
  )
  const lines = [
    ...y.ticks.map(
      (tick) =>
        `<line class="grid" x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${y.at(tick)}" y2="${y.at(tick)}"/><text x="${LEFT - 6}" y="${y.at(tick)}" dy="0.35em" text-anchor="end">${shown(tick)}</text>`,
    ),
    ...x.ticks.map(
      (tick) => `<text x="${x.at(tick)}" y="${HEIGHT - 8}" text-anchor="middle">${shown(tick)}</text>`,
    ),
    ...drawn.map(({ points }, i) => {
      const places = points.map(([step, value]) => `${x.at(step)},${y.at(value)}`)
      const [cx, cy] = places[0].split(',')
      return points.length === 1
        ? `<circle class="dot c${i % 4}" cx="${cx}" cy="${cy}" r="3"/>`
        : `<polyline class="curve c${i % 4}" points="${places.join(' ')}"/>`
    }),
  ]
  const legend = drawn.map(({ name }, i) => `<span class="key c${i % 4}">${escaped(name)}</span>`).join(' ')
  return `<figure><figcaption>${escaped(title)} ${drawn.length > 1 ? legend : ''}</figcaption><svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${escaped(title)}">${lines.join('')}</svg></figure>`
}

// ---- helpers ----------------------------------------------------------------------------------------------------

interface Axis {
  readonly ticks: readonly number[]
  /** Where a value is, in the units of the picture. */
  at(value: number): string
}

function axis(values: readonly number[], from: number, to: number): Axis {
  let low = Infinity
  let high = -Infinity
  for (const value of values) {
    low = Math.min(low, value)
    high = Math.max(high, value)
  }
  if (low === high) {
    const room = Math.abs(low) / 10 || 1
    low -= room
    high += room
  }
  const step = roundStep((high - low) / 5)
  const first = Math.ceil(low / step)
  const count = Math.floor(high / step) - first + 1
  return {
    ticks: Array.from({ length: Math.max(0, count) }, (_, i) => (first + i) * step),
    at: (value) => (from + ((value - low) / (high - low)) * (to - from)).toFixed(1),
  }
}

/** 1, 2 or 5 times a power of ten. */
function roundStep(least: number): number {
  const power = 10 ** Math.floor(Math.log10(least))
  return [1, 2, 5, 10].map((factor) => factor * power).find((step) => step >= least) ?? 10 * power
}

function shown(value: number): string {
  const size = Math.abs(value)
  if (size !== 0 && (size < 1e-3 || size >= 1e6)) return value.toExponential(1)
  return shortNumber(value)
}
