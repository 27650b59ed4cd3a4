/**
 * The last move of the weights, until it is certain: it can be undone to the bit before the next step, and left out afterwards.
 */
import { referenceDevice, type Tensor, zeros } from '../../core/mod.ts'
import { type FlatWeights, numbersIn } from './flat-weights.ts'

/** A move that was made, or none. */
export interface Jump extends Disposable {
  /** The step before which it was made; null: there is none. */
  at: number | null
  make(step: number, propose: (into: Float32Array) => void): void
  /** The weights from before it, to the bit: for the time until the next step. */
  undo(): void
  /** Takes it out of what the steps since made of the weights. */
  leaveOut(): void
  /** The weights from before `leaveOut()`, to the bit; from now on they are certain. */
  putBack(): void
  /** It is taken out for good. */
  forget(): void
  /** Bytes beside `tensors()`. */
  readonly scratchBytes: number
  tensors(): readonly (readonly [string, Tensor])[]
}

export function createJump(weights: FlatWeights): Jump {
  const tensor = zeros([weights.size], { device: referenceDevice })
  const kept = new Float32Array(weights.size)
  const moved = new Float32Array(weights.size)
  let at: number | null = null
  const add = (sign: 1 | -1): void => {
    const move = numbersIn(tensor)
    weights.read(kept)
    for (let i = 0; i < moved.length; i++) moved[i] = kept[i] + sign * move[i]
    weights.write(moved)
  }
  return {
    get at() {
      return at
    },
    set at(step) {
      at = step
    },
    make(step, propose) {
      propose(numbersIn(tensor))
      at = step
      add(1)
    },
    undo() {
      weights.write(kept)
      at = null
    },
    leaveOut: () => add(-1),
    putBack() {
      weights.write(kept)
      at = null
    },
    forget() {
      at = null
    },
    scratchBytes: kept.byteLength + moved.byteLength,
    tensors: () => [['jump', tensor]],
    [Symbol.dispose]: () => tensor.dispose(),
  }
}
