/**
 * `zero_stage: 1`, the first stage of ZeRO (Rajbhandari et al. 2019, arXiv 1910.02054): each process has the optimizer state of a part of the trained weights,
 * makes the step of that part, and brings it to the others.
 *
 * Where nothing else looks at the gradients, each process gets only its part of their sum. They are added up as without it, so the weights have the same bits.
 */
import {
  type FlatGradients,
  type GradientTransform,
  type Parameters,
  sumSquaresOf,
  type Tensor,
  tensorScope,
  type TransformState,
  TrituneError,
  type World,
} from '../../../core/mod.ts'
import { setTensorBytes } from '../../../core/tensor/tensor-bytes.ts'
import { type DividedWeights, STRETCH, type WeightPiece } from './divided-weights.ts'
import { copyOut, gatherPieces } from './gather-pieces.ts'

/** What a run knows of its optimizer where that is divided. */
export interface DividedOptimizer {
  readonly weights: DividedWeights
  readonly transform: GradientTransform
  /** The tensors of the state of this process, each with the piece that it belongs to; null: of none, so all have the same. */
  owners(): ReadonlyMap<Tensor, WeightPiece | null>
  /** This process gets its part of the sums of all gradients; false: they are to be added up everywhere. */
  shareGradients(gradients: FlatGradients | null): boolean
  /** For the step: Σ x² over the parts of all processes; undefined where all gradients are here. */
  readonly sumSquares: ((gradients: FlatGradients | null) => number) | undefined
}

export interface DividedOptions {
  readonly parameters: Parameters
  readonly weights: DividedWeights
  /** Which part this process has. */
  readonly rank: number
  /** null: the step of this part is all that is made, for an estimate. */
  readonly world: World | null
  /** Nothing but the optimizer looks at gradients. */
  readonly isAlone: boolean
}

/** Divides the last link of a chain. */
export function divideOptimizer(
  { name, init }: GradientTransform,
  { parameters, weights, rank, world, isAlone }: DividedOptions,
): DividedOptimizer {
  const own = weights.pieces[rank]
  const { stretch } = weights
  let inner: TransformState | null = null
  const pieces = new Map(own.map((piece) => [piece.parameter, piece]))

  const divide: GradientTransform = {
    name,
    init() {
      const views = viewsOf(parameters, own)
      const state = init(views)
      if (state.enterEvaluation) throw withAverage(name)
      inner = state
      return {
        ...state,
        apply(step) {
          using _scope = tensorScope()
          try {
            for (const { parameter, start } of own) {
              const view = views.get(parameter)
              const grad = parameters.get(parameter)?.grad
              if (view && grad) view.grad = grad.window(view.shape, start)
            }
            const gradients =
              stretch === null ? step.gradients : step.gradients?.window([stretch], rank * stretch)
            state.apply({ ...step, ...(gradients && { gradients }) })
          } finally {
            for (const view of views.values()) view.grad = null
          }
          if (world !== null) gatherPieces(world, parameters, weights.pieces)
        },
        [Symbol.dispose]() {
          state[Symbol.dispose]()
          for (const view of views.values()) view.dispose()
        },
      }
    },
  }

  const scatters = isAlone && stretch !== null && world !== null
  return {
    weights,
    transform: divide,
    owners: () =>
      new Map(
        [...(inner?.tensors() ?? [])].map(([key, tensor]) => [
          tensor,
          pieces.get(parameterOf(key, pieces)) ?? null,
        ]),
      ),
    shareGradients(gradients) {
      if (!scatters || gradients === null) return false
      sumParts(world, gradients.all, stretch)
      return true
    },
    sumSquares: scatters ? (gradients) => squaresOf(world, gradients, stretch) : undefined,
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** Handles on the pieces; a parameter in one piece keeps its shape. */
function viewsOf(parameters: Parameters, own: readonly WeightPiece[]): Map<string, Tensor> {
  const views = new Map<string, Tensor>()
  for (const { parameter, start, length } of own) {
    const weight = parameters.get(parameter)
    if (!weight) continue
    const view = weight.window(weight.size === length ? weight.shape : [length], start)
    view.adopt(null)
    views.set(parameter, view)
  }
  return views
}

/** `m.model.norm.weight` → `model.norm.weight`: the longest ending that is a parameter. */
function parameterOf(key: string, parameters: ReadonlyMap<string, unknown>): string {
  for (let dot = key.indexOf('.'); dot >= 0; dot = key.indexOf('.', dot + 1)) {
    const rest = key.slice(dot + 1)
    if (parameters.has(rest)) return rest
  }
  return ''
}

/** The part of this process becomes the sum over all; what lies beside it is of no use any more. */
function sumParts(world: World, all: Tensor, stretch: number): void {
  const { host } = all.storage
  const values = host ? new Float32Array(host, all.offset, all.size) : new Float32Array(all.size)
  // The memory of a GPU goes through the host.
  if (!host) copyOut(all, new Uint8Array(values.buffer))
  const part = values.subarray(world.rank * stretch, (world.rank + 1) * stretch)
  world.sumPart(values, part)
  if (host) return
  using own = all.window([stretch], world.rank * stretch)
  setTensorBytes(own, new Uint8Array(part.buffer, part.byteOffset, part.byteLength))
}

/** In the blocks, and in the order, in which one process adds up. */
function squaresOf(world: World, gradients: FlatGradients | null, stretch: number): number {
  if (gradients === null) throw new TrituneError('E_VALUE', 'there are no gradients to measure')
  using _scope = tensorScope()
  const part = gradients.all.window([stretch], world.rank * stretch)
  const count = stretch / STRETCH
  // Only the CPU's sums go by these blocks.
  const sums =
    part.device.kind === 'cpu'
      ? Float64Array.from({ length: count }, (_, i) => sumSquaresOf([part.window([STRETCH], i * STRETCH)]))
      : Float64Array.of(sumSquaresOf([part]))
  const all = new Float64Array(world.size * sums.length)
  world.collect(new Uint8Array(sums.buffer), new Uint8Array(all.buffer))
  return all.reduce((sum, value) => sum + value, 0)
}

function withAverage(name: string): TrituneError {
  return new TrituneError(
    'E_UNSUPPORTED',
    `${name} evaluates other weights than it trains, which is not divided over processes`,
    { remedy: 'leave out zero_stage, or take another optimizer' },
  )
}
