/**
 * Parameters seen as one long vector: a rule that works element by element runs its ops on long stretches of it, not on hundreds of
 * small tensors. It owns what is kept for each element; the weights stay where they are.
 *
 * Each parameter starts at a multiple of `FLAT_BLOCK`, so that blocks of 8-bit codes never hold two of them. What lies between them
 * is 0 in every gradient, and is never saved.
 */
import {
  addTo,
  affineOp,
  cast,
  castOp,
  type Device,
  type DType,
  empty,
  noGrad,
  type OptimizerStep,
  type Parameters,
  run,
  type Tensor,
  tensorScope,
  zeros,
} from '../../core/mod.ts'

/** Elements to which each parameter is aligned: a block of bitsandbytes' 8-bit states. */
export const FLAT_BLOCK = 256

/** One number for each element, or for each block of `every` elements. */
export interface FlatVector {
  readonly all: Tensor
  readonly every: number
  /** The elements of one parameter, under its shape. */
  of(name: string): Tensor
}

/** The elements of one parameter that lie in a part. */
export interface Piece {
  readonly name: string
  /** f32 numbers that are trained: the weight, or the f32 copy behind a bf16 one. */
  readonly weight: Tensor
  /** These elements of a tensor of the part. */
  of(values: Tensor): Tensor
}

/** A stretch of the vector. All its tensors die after the visit. */
export interface FlatPart {
  /** (n) f32, times `gradScale`; may be overwritten. */
  readonly gradient: Tensor
  readonly pieces: readonly Piece[]
  /** These elements of a vector, in place. */
  of(vector: FlatVector): Tensor
}

export interface FlatParameters extends Disposable {
  /** Zeros for each element. */
  vector(options?: { readonly dtype?: DType; readonly every?: number }): FlatVector
  /** f32 copies of the weights that are not f32, under their names. */
  readonly masters: ReadonlyMap<string, Tensor>
  /** Visits every parameter that has a gradient; afterwards weights that are not f32 are the rounding of their copies. */
  visit(step: OptimizerStep, visitor: (part: FlatPart) => void): void
}

/** A CPU works on what its caches hold; a GPU wants much at once. */
const ELEMENTS_CPU = 2 ** 18
const ELEMENTS_GPU = 2 ** 24

/** Of parameters on one device. */
export function flatParameters(parameters: Parameters, device: Device): FlatParameters {
  const starts = new Map<string, number>()
  let size = 0
  for (const [name, weight] of parameters) {
    starts.set(name, size)
    size += Math.ceil(weight.size / FLAT_BLOCK) * FLAT_BLOCK
  }
  const owned: Tensor[] = []
  const masters = new Map<string, Tensor>()
  for (const [name, weight] of parameters) {
    if (weight.dtype === 'f32') continue
    const master = noGrad(() => cast(weight, 'f32'))
    master.adopt(null)
    masters.set(name, master)
  }
  const spans = spansOf(parameters, device.kind === 'cuda' ? ELEMENTS_GPU : ELEMENTS_CPU)

  const visitSpan = (
    { first, count, cuts }: Span,
    step: OptimizerStep,
    visitor: (part: FlatPart) => void,
  ): void => {
    using _scope = tensorScope()
    const gradient = gathered({ first, count, cuts }, step, device)
    const pieces = cuts.map(({ name, weight, start, length, at }): Piece => {
      return {
        name,
        weight: (masters.get(name) ?? weight).window([length], start),
        of: (values) => values.window([length], at),
      }
    })
    visitor({
      gradient,
      pieces,
      of: ({ all, every }) => all.window([Math.ceil(count / every)], first / every),
    })
    for (const { name, weight, start, length } of cuts) {
      const master = masters.get(name)
      if (!master) continue
      const y = weight.window([length], start)
      run(castOp, { x: master.window([length], start) }, { dtype: weight.dtype }, { y })
    }
  }

  return {
    masters,
    vector({ dtype = 'f32', every = 1 } = {}) {
      const all = zeros([size / every], { dtype, device })
      all.adopt(null)
      owned.push(all)
      return {
        all,
        every,
        of(name) {
          const weight = parameters.get(name)
          const start = (starts.get(name) ?? 0) / every
          const shape = every === 1 ? (weight?.shape ?? []) : [Math.ceil((weight?.size ?? 0) / every)]
          const view = all.window(shape, start)
          view.adopt(null)
          owned.push(view)
          return view
        },
      }
    },
    visit(step, visitor) {
      noGrad(() => {
        for (const span of spans) {
          if (span.cuts.every(({ weight }) => weight.grad)) visitSpan(span, step, visitor)
          else for (const cut of span.cuts) if (cut.weight.grad) visitSpan(alone(span, cut), step, visitor)
        }
      })
    },
    [Symbol.dispose]() {
      for (const tensor of [...owned, ...masters.values()]) tensor.dispose()
    },
  }
}

/** w ← w·(1 − decay) − rate·direction, for each piece of a part; `direction` is overwritten. */
export function moveWeights(
  { pieces }: FlatPart,
  direction: Tensor,
  amounts: (name: string) => { readonly rate: number; readonly decay: number },
): void {
  const moves = pieces.map((piece) => ({ ...piece, ...amounts(piece.name) }))
  scalePieces(
    direction,
    pieces,
    moves.map(({ rate }) => -rate),
  )
  for (const { weight, of, decay } of moves) {
    if (decay !== 0) scaleInto(weight, 1 - decay)
    addTo(weight, of(direction))
  }
}

/** Multiplies each piece of a part's tensor by its factor, in place: by one call where they are the same. */
export function scalePieces(values: Tensor, pieces: readonly Piece[], factors: readonly number[]): void {
  if (factors.every((factor) => factor === factors[0])) scaleInto(values, factors[0])
  else for (const [i, { of }] of pieces.entries()) scaleInto(of(values), factors[i])
}

/** y ← factor·x, by default in place. */
export function scaleInto(x: Tensor, factor: number, y: Tensor = x): void {
  run(affineOp, { x }, { scale: factor, shift: 0 }, { y })
}

/** average ← beta·average + (1 − beta)·x; x is overwritten. */
export function average(average: Tensor, x: Tensor, beta: number): void {
  scaleInto(average, beta)
  scaleInto(x, 1 - beta)
  addTo(average, x)
}

// ---- helpers ----------------------------------------------------------------------------------------------------

interface Cut {
  readonly name: string
  readonly weight: Tensor
  /** In the parameter. */
  readonly start: number
  readonly length: number
  /** In the span. */
  readonly at: number
}

interface Span {
  /** In the vector. */
  readonly first: number
  readonly count: number
  readonly cuts: readonly Cut[]
}

/** Whole small parameters together, large ones cut, at most `most` elements each. */
function spansOf(parameters: Parameters, most: number): readonly Span[] {
  const spans: Span[] = []
  let [first, count]: [number, number] = [0, 0]
  let cuts: Cut[] = []
  const close = (): void => {
    if (cuts.length > 0) spans.push({ first, count, cuts })
    first += count
    count = 0
    cuts = []
  }
  for (const [name, weight] of parameters) {
    const padded = Math.ceil(weight.size / FLAT_BLOCK) * FLAT_BLOCK
    if (count > 0 && count + padded > most) close()
    for (let start = 0; start < weight.size; start += most) {
      const length = Math.min(most, weight.size - start)
      if (start > 0) close()
      cuts.push({ name, weight, start, length, at: count })
      count += Math.ceil(length / FLAT_BLOCK) * FLAT_BLOCK
    }
  }
  close()
  return spans
}

function alone({ first }: Span, { at, length, ...cut }: Cut): Span {
  const count = Math.ceil(length / FLAT_BLOCK) * FLAT_BLOCK
  return { first: first + at, count, cuts: [{ ...cut, length, at: 0 }] }
}

/** The gradients of a span, times `gradScale`: by one call where they lie side by side as the span has them. */
function gathered(
  { first, count, cuts }: Span,
  { gradients, gradScale }: OptimizerStep,
  device: Device,
): Tensor {
  const isFull = cuts.reduce((sum, { length }) => sum + length, 0) === count
  const into = isFull ? empty([count], { device }) : zeros([count], { device })
  const isAt = ({ weight: { grad }, start, at }: Cut): boolean =>
    grad?.storage === gradients?.storage &&
    (grad?.offset ?? 0) + 4 * start === (gradients?.offset ?? 0) + 4 * (first + at)
  if (gradients && isFull && cuts.every(isAt)) {
    scaleInto(gradients.window([count], first), gradScale, into)
    return into
  }
  for (const {
    weight: { grad },
    start,
    length,
    at,
  } of cuts) {
    if (!grad) continue
    const part = grad.window([length], start)
    // A gradient of a transform may be bf16.
    scaleInto(part.dtype === 'f32' ? part : cast(part, 'f32'), gradScale, into.window([length], at))
  }
  return into
}
