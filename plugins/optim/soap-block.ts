/**
 * Matrices of one shape that SOAP steps together: their moments and bases lie side by side, so that a product of all of them is one call.
 */
import {
  adamwOp,
  addTo,
  cast,
  castOp,
  type Device,
  empty,
  learningRateOf,
  type Matrix,
  matmul,
  matrix,
  noGrad,
  type OptimizerStep,
  run,
  type Shape,
  type Tensor,
  tensor,
  tensorScope,
  zeros,
} from '../../core/mod.ts'
import type { WeightDecay } from './elementwise.ts'
import { average, scaleInto } from './flat-parameters.ts'
import { firstBasis, nextBasis } from './soap-basis.ts'

/** What the matrices of a block have in common. */
export interface BlockShape {
  readonly rows: number
  readonly columns: number
  /** Sides with a basis; at least one. */
  readonly sides: readonly Side[]
}

/** G·Gᵀ belongs to the left side, (rows, rows), and Gᵀ·G to the right one, (columns, columns). */
export type Side = 'left' | 'right'

/** Numbers of all blocks. */
export interface BlockOptions extends Required<WeightDecay> {
  readonly beta1: number
  readonly beta2: number
  readonly shampooBeta: number
  readonly eps: number
  readonly preconditionFrequency: number
  readonly correctBias: boolean
}

/** A parameter (…, rows, columns): one matrix or a stack of them. */
export interface Member {
  readonly name: string
  readonly weight: Tensor
}

/** What is kept of some parameters, and their step. */
export interface Block extends Disposable {
  apply(step: OptimizerStep): void
  tensors(): ReadonlyMap<string, Tensor>
  /** By parameter, how many steps its weights have made; −1: it has no basis yet. */
  readonly steps: Map<string, number>
}

/** Moments and bases are zeros until the first gradient that is not. */
export function openBlock(
  members: readonly Member[],
  { rows, columns, sides }: BlockShape,
  device: Device,
  options: BlockOptions,
): Block {
  const places = placesOf(members, rows * columns)
  const total = places.reduce((sum, { count }) => sum + count, 0)
  const kept: Tensor[] = []
  const keep = (shape: Shape): Tensor => {
    const made = zeros(shape, { device })
    made.adopt(null)
    kept.push(made)
    return made
  }
  const [m, v] = [keep([total, rows, columns]), keep([total, rows, columns])]
  const bases: readonly Basis[] = sides.map((side) => {
    const size = side === 'left' ? rows : columns
    return { side, size, gram: keep([total, size, size]), vectors: keep([total, size, size]) }
  })
  const masters = new Map<string, Tensor>()
  for (const { name, weight } of members) {
    if (weight.dtype === 'f32') continue
    const master = noGrad(() => cast(weight, 'f32'))
    master.adopt(null)
    kept.push(master)
    masters.set(name, master)
  }
  const named = new Map<string, Tensor>()
  const nameWindow = (part: string, of: Tensor, place: Place, shape: Shape): void => {
    const window = of.window(shape, place.first * elementsOf(of))
    window.adopt(null)
    kept.push(window)
    named.set(`${part}.${place.name}`, window)
  }
  for (const place of places) {
    nameWindow('m', m, place, place.weight.shape)
    nameWindow('v', v, place, place.weight.shape)
    for (const { side, size, gram, vectors } of bases) {
      nameWindow(`gg_${side}`, gram, place, [place.count, size, size])
      nameWindow(`q_${side}`, vectors, place, [place.count, size, size])
    }
    const master = masters.get(place.name)
    if (master) named.set(`master.${place.name}`, master)
  }
  const steps = new Map(members.map(({ name }) => [name, -1]))
  const state: BlockState = { rows, columns, m, v, bases, masters, steps, device, options }
  return {
    steps,
    tensors: () => named,
    apply(step) {
      noGrad(() => {
        for (const unit of unitsOf(places, steps)) {
          using _scope = tensorScope()
          if (unit.steps < 0) begin(unit, state, step)
          else advance(unit, state, step)
        }
      })
    },
    [Symbol.dispose]() {
      for (const one of kept) one.dispose()
    },
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

interface Place extends Member {
  /** Its first matrix in the block, and how many it has. */
  readonly first: number
  readonly count: number
}

interface Basis {
  readonly side: Side
  readonly size: number
  /** (N, size, size), both. */
  readonly gram: Tensor
  readonly vectors: Tensor
}

interface BlockState {
  readonly rows: number
  readonly columns: number
  /** (N, rows, columns), in the bases. */
  readonly m: Tensor
  readonly v: Tensor
  readonly bases: readonly Basis[]
  readonly masters: ReadonlyMap<string, Tensor>
  readonly steps: Map<string, number>
  readonly device: Device
  readonly options: BlockOptions
}

/** Neighbours that have made as many steps. */
interface Unit {
  readonly places: readonly Place[]
  readonly first: number
  readonly count: number
  readonly steps: number
}

function placesOf(members: readonly Member[], size: number): Place[] {
  let first = 0
  return members.map(({ name, weight }) => {
    const count = weight.size / size
    const place = { name, weight, first, count }
    first += count
    return place
  })
}

/** Of parameters that have a gradient. */
function unitsOf(places: readonly Place[], steps: ReadonlyMap<string, number>): Unit[] {
  const units: Unit[] = []
  for (const place of places) {
    if (!place.weight.grad) continue
    const made = steps.get(place.name) ?? -1
    const last = units.at(-1)
    if (last?.steps === made && last.first + last.count === place.first)
      units[units.length - 1] = {
        ...last,
        places: [...last.places, place],
        count: last.count + place.count,
      }
    else units.push({ places: [place], first: place.first, count: place.count, steps: made })
  }
  return units
}

/** The first gradient gives the bases and moves nothing, so that no gradient is seen in a basis of its own. One of zeros gives none. */
function begin(unit: Unit, state: BlockState, step: OptimizerStep): void {
  const gradients = gathered(unit, state, step.gradScale)
  const found = state.bases.map((basis) => {
    const grams = gramOf(gradients, basis.side)
    scaleInto(grams, 1 - state.options.shampooBeta)
    return { basis, values: grams.toArray() }
  })
  for (const { name, first, count } of unit.places) {
    const at = first - unit.first
    if (
      found.every(({ basis, values }) =>
        isZero(values.subarray(at * basis.size ** 2, (at + count) * basis.size ** 2)),
      )
    )
      continue
    for (const { basis, values } of found) {
      const { size, gram, vectors } = basis
      const own = values.subarray(at * size ** 2, (at + count) * size ** 2)
      const bases = new Float32Array(own.length)
      for (let k = 0; k < count; k++) bases.set(firstBasis(squareAt(own, size, k)).data, k * size ** 2)
      matricesOf(gram, first, count).set(own)
      matricesOf(vectors, first, count).set(bases)
    }
    state.steps.set(name, 0)
  }
}

function advance(unit: Unit, state: BlockState, step: OptimizerStep): void {
  const { first, count, places } = unit
  const { bases, masters, options } = state
  const { beta1, beta2, eps, correctBias, weightDecay, decays, shampooBeta, preconditionFrequency } = options
  const made = unit.steps + 1
  const gradients = gathered(unit, state, step.gradScale)
  const of = (x: Tensor): Tensor => matricesOf(x, first, count)
  let projected = gradients
  for (const { side, vectors } of bases)
    projected =
      side === 'left' ? matmul(of(vectors), projected, { transposeA: true }) : matmul(projected, of(vectors))
  const rates = places.map(({ name }) => learningRateOf(step, name))
  const isOneRate = rates.every((rate) => rate === rates[0])
  const bias1 = correctBias ? 1 - beta1 ** made : 1
  const bias2 = correctBias ? 1 - beta2 ** made : 1
  // AdamW on zeros: what it makes of them is the move, in the bases.
  let move = zeros(projected.shape, { device: state.device })
  const adam = {
    lr: isOneRate ? rates[0] : 1,
    beta1,
    beta2,
    // The reference adds ε to √v before the correction, AdamW after it.
    eps: eps / Math.sqrt(bias2),
    weightDecay: 0,
    bias1,
    bias2,
    gradScale: 1,
  }
  const [m, v] = [of(state.m), of(state.v)]
  run(adamwOp, { weight: move, master: undefined, m, v, grad: projected }, adam, {
    weight: move,
    master: null,
    m,
    v,
  })
  for (const { side, vectors } of bases)
    move = side === 'left' ? matmul(of(vectors), move) : matmul(move, of(vectors), { transposeB: true })
  for (const [i, { name, weight, ...place }] of places.entries()) {
    const target = masters.get(name) ?? weight
    const own = move.window(weight.shape, (place.first - first) * elementsOf(move))
    if (!isOneRate) scaleInto(own, rates[i])
    addTo(target, own)
    if (weightDecay !== 0 && decays(name)) scaleInto(target, 1 - rates[i] * weightDecay)
    if (target !== weight) run(castOp, { x: target }, { dtype: weight.dtype }, { y: weight })
    state.steps.set(name, made)
  }
  for (const { side, gram } of bases) average(of(gram), gramOf(gradients, side), shampooBeta)
  if (made % preconditionFrequency === 0) for (const basis of bases) refresh(basis, state, unit)
}

/** New vectors; the first moment is turned along, the second one follows the order of the columns, as in the reference. */
function refresh(
  { side, size, gram, vectors }: Basis,
  { m, v, device }: BlockState,
  { first, count }: Unit,
): void {
  const of = (x: Tensor): Tensor => matricesOf(x, first, count)
  const [grams, old] = [of(gram).toArray(), of(vectors).toArray()]
  const [next, turns, orders] = [0, 1, 2].map(() => new Float32Array(grams.length))
  for (let k = 0; k < count; k++) {
    const { basis, turn, order } = nextBasis(squareAt(grams, size, k), squareAt(old, size, k))
    next.set(basis.data, k * size ** 2)
    turns.set(turn.data, k * size ** 2)
    for (const [j, from] of order.entries()) orders[k * size ** 2 + j * size + from] = 1
  }
  of(vectors).set(next)
  for (const [moment, by] of [
    [of(m), turns],
    [of(v), orders],
  ] as const) {
    const factor = tensor(by, { shape: [count, size, size], device })
    const turned = side === 'left' ? matmul(factor, moment) : matmul(moment, factor, { transposeB: true })
    scaleInto(turned, 1, moment)
  }
}

/** (N, rows, columns) f32, times `gradScale`. */
function gathered(
  { places, first, count }: Unit,
  { rows, columns, device }: BlockState,
  gradScale: number,
): Tensor {
  const all = empty([count, rows, columns], { device })
  for (const { weight, ...place } of places) {
    const { grad } = weight
    if (!grad) continue
    // A gradient of a transform may be bf16.
    const x = grad.dtype === 'f32' ? grad : cast(grad, 'f32')
    scaleInto(x, gradScale, all.window(weight.shape, (place.first - first) * rows * columns))
  }
  return all
}

function gramOf(gradients: Tensor, side: Side): Tensor {
  return matmul(gradients, gradients, side === 'left' ? { transposeB: true } : { transposeA: true })
}

/** Matrices of a stack, in place. */
function matricesOf(stack: Tensor, first: number, count: number): Tensor {
  return stack.window([count, ...stack.shape.slice(1)], first * elementsOf(stack))
}

/** Of one matrix of a stack. */
function elementsOf({ shape: [, rows, columns] }: Tensor): number {
  return rows * columns
}

function squareAt(values: Float32Array, size: number, k: number): Matrix {
  return matrix(size, size, Float64Array.from(values.subarray(k * size ** 2, (k + 1) * size ** 2)))
}

function isZero(values: Float32Array): boolean {
  return values.every((value) => value === 0)
}
