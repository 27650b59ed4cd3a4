/**
 * Rows times a block-diagonal matrix that is never made: x·diag(R₀, R₁, …), each block a product of its own.
 *
 * Blocks take numbers that stand together, or two halves that stand apart (`BlockLayout`). One copy brings every block's numbers
 * together, one batched product turns them, one copy brings them back; the gradients go the same way.
 */
import {
  cast,
  empty,
  type FloatDType,
  linksOf,
  matmul,
  noGrad,
  record,
  reshape,
  scoped,
  stridedCopy,
  sum,
  type Tensor,
  tensor,
} from '../../../core/mod.ts'

/**
 * Which numbers of a row belong to which block. A row is (groups, parts, places, run): block (group, place) takes `run` numbers
 * of each part. With one part and one place, blocks are neighbours.
 */
export interface BlockLayout {
  readonly groups: number
  readonly parts: number
  readonly places: number
  readonly run: number
}

/** Neighbouring blocks of `size` numbers. */
export function neighbours(inputs: number, size: number): BlockLayout {
  return { groups: inputs / size, parts: 1, places: 1, run: size }
}

/** x (…, in) f32 or bf16, blocks (groups·places, w, w) f32 → x·diag(blocks); the product is in the dtype of x. */
export function turnBlocks(x: Tensor, blocks: Tensor, layout: BlockLayout): Tensor {
  const links = linksOf<Tensor>({ x, blocks })
  const { shape } = x
  const dtype = x.dtype as FloatDType
  const [y, gathered, used] = noGrad(() =>
    scoped((): [Tensor, Tensor, Tensor] => {
      const rows = gather(x, layout)
      const turn = cast(blocks, dtype)
      return [scatter(matmul(rows, turn), layout, shape), rows, turn]
    }),
  )
  if (!links) {
    gathered.dispose()
    used.dispose()
    return y
  }
  for (const kept of [gathered, used]) kept.adopt(null)
  record(
    {
      name: 'turn_blocks',
      links,
      backward({ y: dy }, { pending }) {
        if (!dy) return {}
        const arrived = gather(dy, layout)
        return {
          blocks: links.has('blocks') ? slopes(gathered, arrived) : null,
          x: links.has('x')
            ? scatter(matmul(arrived, used, { transposeB: true }), layout, shape, pending('x'))
            : null,
        }
      },
      release() {
        gathered.dispose()
        used.dispose()
      },
    },
    { y },
  )
  return y
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** Rows whose gradients are summed by one product: both operands stay in the first cache. */
const ROWS_AT_ONCE = 256

/** x (…, in) → (blocks, rows, w); the rows are filled up with zeros to whole chunks. */
function gather(x: Tensor, layout: BlockLayout): Tensor {
  const { groups, places, parts, run } = layout
  const [blocks, width] = [groups * places, parts * run]
  const rows = x.size / (blocks * width)
  if (blocks === 1) return x.view([1, rows, width])
  const filled = rows > ROWS_AT_ONCE ? Math.ceil(rows / ROWS_AT_ONCE) * ROWS_AT_ONCE : rows
  const shape = [blocks, filled, width]
  const y = empty(shape, { dtype: x.dtype, device: x.device })
  stridedCopy(x, shape, dimsOf(layout, rows, filled), { partial: true, into: y })
  if (filled > rows) {
    using zero = tensor([0], { dtype: x.dtype, device: x.device })
    const dims = [
      [blocks, filled * width, 0],
      [(filled - rows) * width, 1, 0],
    ] as const
    stridedCopy(zero, shape, dims, { yOffset: rows * width, partial: true, into: y })
  }
  return y
}

/** (blocks, rows, w) → `shape`; added to `into` where there is something. */
function scatter(
  turned: Tensor,
  layout: BlockLayout,
  shape: readonly number[],
  into: Tensor | null = null,
): Tensor {
  const { groups, places, parts, run } = layout
  const rows = shape.reduce((a, b) => a * b, 1) / (groups * places * parts * run)
  if (groups * places === 1 && !into) return turned.view(shape)
  const dims = dimsOf(layout, rows, turned.shape[1]).map(
    ([size, inBlocks, inRows]) => [size, inRows, inBlocks] as const,
  )
  return stridedCopy(turned, shape, dims, { accumulate: into !== null, into })
}

/** size, stride in blocks, stride in rows */
function dimsOf(
  { groups, parts, places, run }: BlockLayout,
  rows: number,
  filled: number,
): readonly (readonly [number, number, number])[] {
  const width = parts * run
  const block = filled * width
  return [
    [groups, places * block, parts * places * run],
    [places, block, run],
    [rows, width, groups * parts * places * run],
    [parts, run, places * run],
    [run, 1, 1],
  ]
}

/** Σ over rows of xᵀ·dy for each block, f32. Long sums go in chunks: a product with few columns is faster so. */
function slopes(x: Tensor, dy: Tensor): Tensor {
  const [blocks, rows, width] = x.shape
  const product = (a: Tensor, b: Tensor): Tensor => matmul(a, b, { transposeA: true, wide: true })
  const chunks = Math.floor(rows / ROWS_AT_ONCE)
  if (chunks < 2) return product(x, dy)
  const whole = chunks * ROWS_AT_ONCE
  const part = (t: Tensor): Tensor => t.window([blocks * chunks, ROWS_AT_ONCE, width], 0)
  const total = sum(reshape(product(part(x), part(dy)), [blocks, chunks, width, width]), { axis: 1 })
  if (whole === rows) return total
  // Only a single block is not filled up: its rows are those of x.
  const rest = (t: Tensor): Tensor => t.window([1, rows - whole, width], whole * width)
  return addTo(total, product(rest(x), rest(dy)))
}

function addTo(total: Tensor, more: Tensor): Tensor {
  const { size, shape } = total
  return stridedCopy(more, shape, [[size, 1, 1]], { accumulate: true, into: total })
}
