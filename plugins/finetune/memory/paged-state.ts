/**
 * `optimizer: paged_…`: the state of an optimizer in memory that lies in a file. The parameters go through the optimizer in groups, and a group that is done
 * takes no memory until the next step. The same bits, since every parameter is a matter of its own to these optimizers.
 */
import type { PagedMemory } from '../../../core/files/paged-memory.ts'
import {
  type Allocation,
  type Device,
  type GradientTransform,
  type Parameters,
  type Tensor,
  type TransformState,
} from '../../../core/mod.ts'
import { withAllocator } from '../../../core/tensor/storage.ts'

/** Parameters whose state is in memory at a time, counted in bytes of f32. */
const GROUP = 64 * 2 ** 20
/** Smaller tensors are not worth a page, as in bitsandbytes. */
const SMALLEST = 100_000

/** The state of an optimizer in a file, which is there when the transform is initialised. */
export interface PagedState {
  readonly transform: GradientTransform
  /** Bytes in the file. */
  readonly bytes: number
  /** Bytes of them that are in memory at a time. */
  readonly resident: number
}

/** `pages` outlives the state; `group`: bytes of f32 parameters whose state is in memory at a time. */
export function pagedState(
  { name, init }: GradientTransform,
  pages: PagedMemory,
  { group = GROUP }: { readonly group?: number } = {},
): PagedState {
  let resident = 0
  const allocate = (device: Device, bytes: number): Allocation | null =>
    device.kind === 'cpu' && bytes >= SMALLEST ? pages.allocate(bytes) : null
  const initGroup = (members: Parameters): TransformState => {
    const before = pages.bytes
    const state = withAllocator(allocate, () => init(members))
    resident = Math.max(resident, pages.bytes - before)
    pages.rest()
    return state
  }
  const transform: GradientTransform = {
    name,
    init: (parameters) => inTurn(groupsOf(parameters, group).map(initGroup), () => pages.rest()),
  }
  return {
    transform,
    get bytes() {
      return pages.bytes
    },
    get resident() {
      return resident
    },
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function groupsOf(parameters: Parameters, most: number): Map<string, Tensor>[] {
  const groups: Map<string, Tensor>[] = []
  let bytes = Infinity
  for (const [name, weight] of parameters) {
    bytes += 4 * weight.size
    if (bytes > most) {
      groups.push(new Map())
      bytes = 4 * weight.size
    }
    groups.at(-1)?.set(name, weight)
  }
  return groups
}

function inTurn(states: readonly TransformState[], after: () => void): TransformState {
  return {
    apply(step) {
      for (const state of states) {
        state.apply(step)
        after()
      }
    },
    tensors: () => new Map(states.flatMap((state) => [...state.tensors()])),
    [Symbol.dispose]() {
      for (const state of states) state[Symbol.dispose]()
    },
  }
}
