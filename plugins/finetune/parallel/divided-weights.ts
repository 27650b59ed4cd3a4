/**
 * Which process keeps the optimizer state of which weights (`zero_stage: 1`): stretches of equal length of all gradients side by side, or whole tensors.
 *
 * Stretches begin at multiples of `STRETCH`: blocks of 8-bit moments are not cut, nor are those in which the CPU adds up squares, so the norm of the gradients
 * has the same bits as in one process.
 */
import { flatLayout, type Parameters, type TransformDefinition } from '../../../core/mod.ts'

/** How the optimizer of a run can be divided. */
export type Divides = NonNullable<TransformDefinition['divides']>

/** Consecutive elements of one parameter. */
export interface WeightPiece {
  readonly parameter: string
  readonly start: number
  readonly length: number
}

export interface DividedWeights {
  /** Of each process, in the order of the parameters. */
  readonly pieces: readonly (readonly WeightPiece[])[]
  /** Elements of the gradients that belong to each process, side by side in the order of the processes; null: whole tensors lie anywhere. */
  readonly stretch: number | null
}

/** Elements that `tt_sum_squares` adds up in one block. */
export const STRETCH = 32_768

export function divideWeights(parameters: Parameters, processes: number, by: Divides): DividedWeights {
  return by === 'elements' ? byElements(parameters, processes) : byTensors(parameters, processes)
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function byElements(parameters: Parameters, processes: number): DividedWeights {
  const { starts, size } = flatLayout(parameters)
  const stretch = Math.ceil(size / STRETCH / processes) * STRETCH
  const pieces = Array.from({ length: processes }, (_, rank) => {
    const [from, to] = [rank * stretch, (rank + 1) * stretch]
    return [...parameters].flatMap(([parameter, weight]) => {
      const at = starts.get(parameter) ?? 0
      const start = Math.max(0, from - at)
      const length = Math.min(weight.size, to - at) - start
      return length > 0 ? [{ parameter, start, length }] : []
    })
  })
  return { pieces, stretch }
}

/** The largest first, each to the process that has least. */
function byTensors(parameters: Parameters, processes: number): DividedWeights {
  const owners = new Map<string, number>()
  const loads = Array.from({ length: processes }, () => 0)
  for (const [parameter, { size }] of [...parameters].toSorted(([, a], [, b]) => b.size - a.size)) {
    const least = loads.indexOf(Math.min(...loads))
    owners.set(parameter, least)
    loads[least] += size
  }
  const pieces = loads.map((_, rank) =>
    [...parameters].flatMap(([parameter, { size: length }]) =>
      owners.get(parameter) === rank ? [{ parameter, start: 0, length }] : [],
    ),
  )
  return { pieces, stretch: null }
}
