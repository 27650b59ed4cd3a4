/**
 * Tensors of one shape, of many layers, as one: what is computed for all of them is one call then.
 */
import { concat, reshape, type Tensor } from '../../../core/mod.ts'

/** Tensors of one shape, and which of all they are. */
export interface Stack {
  /** `4x32` */
  readonly name: string
  readonly shape: readonly number[]
  /** Positions in the list that was stacked, ascending. */
  readonly members: readonly number[]
}

/** By shape, in the order in which the shapes come. Tensors without elements are in none. */
export function stacksOf(tensors: readonly Tensor[]): Stack[] {
  const byShape = Map.groupBy(
    tensors.map((_, i) => i).filter((i) => tensors[i].size > 0),
    (i) => tensors[i].shape.join('x'),
  )
  return [...byShape].map(([name, members]) => ({ name, shape: tensors[members[0]].shape, members }))
}

/** (members, …shape) */
export function stacked({ members }: Stack, tensors: readonly Tensor[]): Tensor {
  return concat(members.map((i) => reshape(tensors[i], [1, ...tensors[i].shape])))
}
