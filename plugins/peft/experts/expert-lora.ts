/**
 * A LoRA on a weight of all experts of a block, as PEFT has it on a parameter (experts, out, in): one pair of factors, a part of which belongs to each
 * expert.
 *
 *   A (E·r, in): rows e·r … of expert e        B (out, r·E): columns e, e + E, e + 2·E, … of expert e        ΔW_e = s·B_e·A_e
 *
 * The weight of an expert can be several layers (gate and up) whose outputs stand one after the other; they share A_e.
 */
import {
  type Adapter,
  add,
  affine,
  baseForward,
  type BaseLayer,
  cast,
  createRandom,
  type ExpertParameter,
  type FloatDType,
  linear,
  linksOf,
  matmul,
  noGrad,
  record,
  type Shape,
  siteOf,
  stridedCopy,
  type Tensor,
  tensor,
  TrituneError,
  zeros,
} from '../../../core/mod.ts'
import { folded } from '../delta/fold.ts'
import { expectUsefulRank, type Factors, leaf, scaleOf } from '../lora/lora-factors.ts'
import type { LoraOptions } from '../lora/lora-options.ts'

/** What the adapter of one layer is: it has no factors of its own, as a LoRA has. */
export const EXPERT_LORA = 'lora of experts'

/** The factors, and the adapter of each layer that is a part. Disposing it frees the factors. */
export interface ExpertLora extends Factors, Disposable {
  readonly parts: ReadonlyMap<string, Adapter>
}

/** Initial values are those of a LoRA of every expert on its own. E_ADAPTER for a rank or a start that cannot be. */
export function expertLora(
  parameter: ExpertParameter,
  options: LoraOptions,
  { seed }: { readonly seed: number },
): ExpertLora {
  const { name, experts, inputs, outputs } = parameter
  const [[{ device }]] = experts
  const { rank, init } = options
  expectUsefulRank({ path: name, inputs, outputs }, options)
  if (typeof init === 'string' && init !== 'gaussian')
    throw new TrituneError('E_ADAPTER', `${name}: the start "${init}" needs a layer of its own`, {
      remedy: 'leave init_lora_weights out for weights of experts',
    })
  const random = createRandom(seed, siteOf(name))
  const uniform = (bound: number) => (): number => (2 * random.float() - 1) * bound
  const drawn = (shape: Shape, draw: () => number): Tensor =>
    leaf(tensor(Float32Array.from({ length: shape[0] * shape[1] }, draw), { shape, device }))
  const a = drawn(
    [experts.length * rank, inputs],
    init === 'gaussian' ? () => random.normal() / rank : uniform(1 / Math.sqrt(inputs)),
  )
  const shape = [outputs, rank * experts.length]
  const b = init === false ? drawn(shape, uniform(1 / Math.sqrt(rank))) : leaf(zeros(shape, { device }))
  const parts = new Map<string, Adapter>()
  for (const [expert, layers] of experts.entries()) {
    let row = 0
    for (const layer of layers) {
      parts.set(
        layer.path,
        partAdapter(layer, factorsAt({ a, b }, experts.length, rank, expert, row), options),
      )
      row += layer.outputs
    }
  }
  return {
    a,
    b,
    parts,
    [Symbol.dispose]() {
      a.dispose()
      b.dispose()
    },
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** The factors of a layer with so many outputs, on the tape. */
type FactorsOf = (outputs: number) => Factors

function factorsAt({ a, b }: Factors, count: number, rank: number, expert: number, row: number): FactorsOf {
  const [, inputs] = a.shape
  return (outputs) => ({
    a: elements(a, [rank, inputs], [inputs, 1], expert * rank * inputs),
    b: elements(b, [outputs, rank], [rank * count, count], row * rank * count + expert),
  })
}

function partAdapter({ outputs }: BaseLayer, factorsOf: FactorsOf, options: LoraOptions): Adapter {
  const scale = scaleOf(options)
  const moved = (weight: Tensor, by: number): Tensor =>
    folded(weight, (wide) => {
      const { a, b } = factorsOf(outputs)
      return add(wide, affine(matmul(b, a), { scale: by }))
    })
  return {
    kind: EXPERT_LORA,
    forward: (x, base) => baseForward(base, x, { lora: { ...factorsOf(outputs), scale } }),
    delta(x) {
      const dtype = x.dtype as FloatDType
      const { a, b } = factorsOf(outputs)
      return affine(linear(linear(x, cast(a, dtype)), cast(b, dtype)), { scale })
    },
    parameters: () => ({}),
    merge: (weight) => moved(weight, scale),
    unmerge: (weight) => moved(weight, -scale),
    [Symbol.dispose]() {},
  }
}

/** Some elements of a leaf, copied where they are no run of memory; the gradient goes to these alone, so that the parts of one leaf do not each cost all of it. */
function elements(x: Tensor, shape: Shape, strides: readonly [number, number], offset: number): Tensor {
  const [rows, columns] = shape
  const links = linksOf({ x })
  const dims = [
    [rows, columns, strides[0]],
    [columns, 1, strides[1]],
  ] as const
  const isRun = strides[1] === 1 && strides[0] === columns
  const y = isRun ? x.window(shape, offset) : noGrad(() => stridedCopy(x, shape, dims, { xOffset: offset }))
  if (!links) return y
  record(
    {
      name: 'elements',
      links,
      backward({ y: dy }, { accumulator }) {
        if (!dy) return {}
        const into = accumulator('x')
        const back = [
          [rows, strides[0], columns],
          [columns, strides[1], 1],
        ] as const
        return {
          x: stridedCopy(dy, x.shape, back, { yOffset: offset, accumulate: true, partial: true, into }),
        }
      },
      release() {},
    },
    { y },
  )
  return y
}
