/**
 * The pieces of the trained weights that each process has changed, on all of them.
 */
import { type Parameters, type Tensor, tensorScope, type World } from '../../../core/mod.ts'
import { DTYPES } from '../../../core/tensor/dtype.ts'
import { setTensorBytes, tensorBytes } from '../../../core/tensor/tensor-bytes.ts'
import type { WeightPiece } from './divided-weights.ts'

/** Bytes of each process that travel at a time. */
const AT_ONCE = 4 * 2 ** 20

/** `pieces` of each process; together they are the parameters, or some of them. */
export function gatherPieces(
  world: World,
  parameters: Parameters,
  pieces: readonly (readonly WeightPiece[])[],
): void {
  const cuts = pieces.map((of) => cutsOf(parameters, of))
  const rounds = Math.max(...cuts.map(({ length }) => length))
  const most = Math.max(...cuts.flat().map(({ bytes }) => bytes), 0)
  const own = new Uint8Array(most)
  const all = new Uint8Array(world.size * most)
  for (let round = 0; round < rounds; round++) {
    const mine = cuts[world.rank][round]
    if (mine) eachWindow(parameters, mine, (window, at) => copyOut(window, own.subarray(at)))
    world.collect(own, all)
    for (const [rank, of] of cuts.entries()) {
      const theirs = rank === world.rank ? undefined : of[round]
      if (!theirs) continue
      const received = all.subarray(rank * most, (rank + 1) * most)
      eachWindow(parameters, theirs, (window, at) =>
        setTensorBytes(window, received.subarray(at, at + window.bytes)),
      )
    }
  }
}

/** The bytes of a tensor in `into`. */
export function copyOut(tensor: Tensor, into: Uint8Array): void {
  let start = 0
  for (const piece of tensorBytes(tensor)) {
    into.set(piece, start)
    start += piece.length
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** What travels in one round. */
interface Cut {
  readonly windows: readonly WeightPiece[]
  readonly bytes: number
}

function cutsOf(parameters: Parameters, pieces: readonly WeightPiece[]): Cut[] {
  const cuts: Cut[] = []
  let windows: WeightPiece[] = []
  let bytes = 0
  const close = (): void => {
    if (windows.length > 0) cuts.push({ windows, bytes })
    windows = []
    bytes = 0
  }
  for (const { parameter, start, length } of pieces) {
    const each = elementBytes(parameters, parameter)
    const most = AT_ONCE / each
    for (let at = 0; at < length; at += most) {
      const here = Math.min(most, length - at)
      if (bytes + here * each > AT_ONCE) close()
      windows.push({ parameter, start: start + at, length: here })
      bytes += here * each
    }
  }
  close()
  return cuts
}

function eachWindow(
  parameters: Parameters,
  { windows }: Cut,
  visit: (window: Tensor, at: number) => void,
): void {
  using _scope = tensorScope()
  let at = 0
  for (const { parameter, start, length } of windows) {
    const window = parameters.get(parameter)?.window([length], start)
    if (!window) continue
    visit(window, at)
    at += window.bytes
  }
}

function elementBytes(parameters: Parameters, name: string): number {
  return DTYPES[parameters.get(name)?.dtype ?? 'f32'].bytes
}
