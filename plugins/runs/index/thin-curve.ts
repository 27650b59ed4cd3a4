/**
 * A curve of any length as few points: neighbours are averaged, twice as many each time that there are too many. It can be gone on with.
 *
 * A mean hides a spike, so each point keeps the least and the greatest value too.
 */

/** A series in buckets of `stride` steps; the first begins with step 1. Lists are of one length; a bucket without a value has count 0. */
export interface ThinCurve {
  stride: number
  count: number[]
  sum: number[]
  min: number[]
  max: number[]
}

/** A point of a curve as it is drawn. */
export interface CurvePoint {
  /** The middle of its steps. */
  readonly step: number
  readonly mean: number
  readonly min: number
  readonly max: number
}

/** Buckets at most. */
export const CURVE_POINTS = 512

export function emptyCurve(): ThinCurve {
  return { stride: 1, count: [], sum: [], min: [], max: [] }
}

/** Puts the value of a step (from 1 on) into the curve. */
export function addToCurve(curve: ThinCurve, step: number, value: number): void {
  while ((step - 1) / curve.stride >= CURVE_POINTS) halve(curve)
  const at = Math.floor((step - 1) / curve.stride)
  while (curve.count.length <= at) push(curve, [0, 0, 0, 0])
  const isFirst = curve.count[at] === 0
  curve.count[at] += 1
  curve.sum[at] += value
  curve.min[at] = isFirst ? value : Math.min(curve.min[at], value)
  curve.max[at] = isFirst ? value : Math.max(curve.max[at], value)
}

/** Its points, in order. */
export function curvePoints({ stride, count, sum, min, max }: ThinCurve): CurvePoint[] {
  return count.flatMap((n, i) =>
    n === 0 ? [] : [{ step: i * stride + (stride + 1) / 2, mean: sum[i] / n, min: min[i], max: max[i] }],
  )
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function push(curve: ThinCurve, [count, sum, min, max]: readonly [number, number, number, number]): void {
  curve.count.push(count)
  curve.sum.push(sum)
  curve.min.push(min)
  curve.max.push(max)
}

function halve(curve: ThinCurve): void {
  const { count, sum, min, max } = curve
  Object.assign(curve, emptyCurve(), { stride: 2 * curve.stride })
  for (let i = 0; i < count.length; i += 2) {
    const has = [i, i + 1].filter((at) => at < count.length && count[at] > 0)
    push(curve, [
      has.reduce((all, at) => all + count[at], 0),
      has.reduce((all, at) => all + sum[at], 0),
      has.length === 0 ? 0 : Math.min(...has.map((at) => min[at])),
      has.length === 0 ? 0 : Math.max(...has.map((at) => max[at])),
    ])
  }
}
