/**
 * A block butterfly (Liu et al. 2023, arXiv 2311.06243): factors of blocks over numbers that stand ever farther apart.
 *
 *   x·B = x·B_{m−1}·…·B₁·B₀      B₀: blocks of b neighbours;  Bᵢ: within each group of b·2ⁱ numbers, block q takes b/2 numbers of
 *                                the first half and the b/2 numbers at the same places of the second half
 *
 * Factors whose groups are narrow are multiplied into one of small blocks first; the others are applied one by one. No (in × in)
 * rotation is made.
 */
import { matmul, mul, permute, reshape, slice, type Tensor, transpose } from '../../../core/mod.ts'
import { type BlockLayout, neighbours, turnBlocks } from './blocks.ts'
import { identity } from './constants.ts'
import { blocksInOne, joinBlocks, USUAL_WIDTH } from './wide-blocks.ts'

/** What one product with blocks needs. */
interface Stage {
  readonly layout: BlockLayout
  readonly blocks: Tensor
}

/** x (…, in), factors (m, n, b, b) of turned blocks → x·B. */
export function turnButterfly(x: Tensor, factors: Tensor): Tensor {
  return stagesOf(factors).reduce((turned, { layout, blocks }) => turnBlocks(turned, blocks, layout), x)
}

/** x·Bᵀ: the factors the other way round. */
export function turnButterflyBack(x: Tensor, factors: Tensor): Tensor {
  return stagesOf(factors)
    .toReversed()
    .reduce((turned, { layout, blocks }) => turnBlocks(turned, transpose(blocks), layout), x)
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** In the order in which a row goes through them. */
function stagesOf(factors: Tensor): Stage[] {
  const [count, blocks, size] = factors.shape
  const inputs = blocks * size
  const factor = (i: number): Tensor =>
    reshape(slice(factors, { start: i, end: i + 1 }), [blocks, size, size])
  let narrow = 1
  while (narrow < count && size * 2 ** narrow <= USUAL_WIDTH) narrow++
  const far = Array.from({ length: count - narrow }, (_, i) => count - 1 - i)
  return [
    ...far.map((i) => stageOf(factor(i), i, inputs)),
    nearStage(
      Array.from({ length: narrow }, (_, i) => factor(i)),
      inputs,
    ),
  ]
}

/** B_{narrow−1}·…·B₀ as one factor of neighbouring blocks. */
function nearStage(factors: readonly Tensor[], inputs: number): Stage {
  const widest = factors[0].shape[1] * 2 ** (factors.length - 1)
  const groups = factors.map((factor, i) => {
    const whole = i === 0 ? factor : halves(factor, 2 ** i)
    return joinBlocks(whole, widest / whole.shape[1])
  })
  const product = groups.toReversed().reduce((left, right) => matmul(left, right))
  const many = blocksInOne(product.shape[0], widest)
  return { layout: neighbours(inputs, many * widest), blocks: joinBlocks(product, many) }
}

/** Bᵢ, i > 0, some of its blocks side by side. */
function stageOf(factor: Tensor, i: number, inputs: number): Stage {
  const size = factor.shape[1]
  const places = 2 ** i
  const many = blocksInOne(places, size)
  const layout = { groups: inputs / (size * places), parts: 2, places: places / many, run: (many * size) / 2 }
  return { layout, blocks: halves(factor, many) }
}

/** Every `many` neighbours as one block, whose numbers are (half, place, number). */
function halves(factor: Tensor, many: number): Tensor {
  const [count, size] = factor.shape
  const [sets, half] = [count / many, size / 2]
  if (many === 1) return factor
  const inside = permute(reshape(factor, [sets, many, 2, half, 2, half]), [0, 2, 1, 3, 4, 5])
  const mask = identity(many, factor.device).view([1, 1, many, 1, 1, many, 1])
  const apart = mul(reshape(inside, [sets, 2, many, half, 2, 1, half]), mask)
  return reshape(apart, [sets, many * size, many * size])
}
