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
  stridedCopy,
  type Tensor,
  tensorScope,
  zeros,
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
  const { shape, device } = x
  const dtype = x.dtype as FloatDType
  const used = noGrad(() => cast(blocks, dtype))
  const y = empty(shape, { dtype, device })
  noGrad(() =>
    inChunks(x, layout, (start, rows) => {
      scatter(matmul(gather(x, layout, start, rows), used), y, layout, start, rows)
    }),
  )
  if (!links) {
    used.dispose()
    return y
  }
  // x itself, which others keep too: to gather it again costs less than to hold what was gathered.
  const kept = links.has('blocks') ? x.alias() : null
  used.adopt(null)
  record(
    {
      name: 'turn_blocks',
      links,
      backward({ y: dy }, { pending }) {
        if (!dy) return {}
        const before = links.has('x') ? pending('x') : null
        const dx = links.has('x') ? (before ?? empty(shape, { dtype, device })) : null
        const slopes = kept && zeros(blocks.shape, { device })
        inChunks(dy, layout, (start, rows) => {
          const arrived = gather(dy, layout, start, rows)
          if (dx) {
            const back = matmul(arrived, used, { transposeB: true })
            scatter(back, dx, layout, start, rows, { accumulate: before !== null })
          }
          if (!kept || !slopes) return
          const own = gather(kept, layout, start, rows)
          addTo(slopes, matmul(own, arrived, { transposeA: true, wide: true }))
        })
        return { x: dx, blocks: slopes }
      },
      release() {
        kept?.dispose()
        used.dispose()
      },
    },
    { y },
  )
  return y
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** Rows that are gathered, turned and put back at once: they stay in the caches of a CPU. */
const ROWS_AT_ONCE = 512

function inChunks(x: Tensor, layout: BlockLayout, work: (start: number, rows: number) => void): void {
  const rows = x.size / widthOf(layout)
  const most = x.storage.host ? ROWS_AT_ONCE : rows
  for (let start = 0; start < rows; start += most) {
    using _scope = tensorScope()
    work(start, Math.min(most, rows - start))
  }
}

/** Rows of x (…, in) → (blocks, rows, w). */
function gather(x: Tensor, layout: BlockLayout, start: number, rows: number): Tensor {
  const { groups, places, parts, run } = layout
  const offset = start * widthOf(layout)
  const shape = [groups * places, rows, parts * run]
  if (groups * places === 1) return x.window(shape, offset)
  return stridedCopy(x, shape, dimsOf(layout, rows), { xOffset: offset })
}

/** (blocks, rows, w) → rows of y (…, in). */
function scatter(
  turned: Tensor,
  y: Tensor,
  layout: BlockLayout,
  start: number,
  rows: number,
  { accumulate = false }: { readonly accumulate?: boolean } = {},
): void {
  const dims = dimsOf(layout, rows).map(([size, inBlocks, inRows]) => [size, inRows, inBlocks] as const)
  stridedCopy(turned, y.shape, dims, { yOffset: start * widthOf(layout), partial: true, accumulate, into: y })
}

/** Numbers of a row. */
function widthOf({ groups, places, parts, run }: BlockLayout): number {
  return groups * places * parts * run
}

/** size, stride in blocks, stride in rows */
function dimsOf(layout: BlockLayout, rows: number): readonly (readonly [number, number, number])[] {
  const { groups, parts, places, run } = layout
  const width = parts * run
  const block = rows * width
  // Rows first: both sides are then walked from front to back.
  return [
    [rows, width, widthOf(layout)],
    [groups, places * block, parts * places * run],
    [places, block, run],
    [parts, run, places * run],
    [run, 1, 1],
  ]
}

function addTo(total: Tensor, more: Tensor): void {
  stridedCopy(more, total.shape, [[total.size, 1, 1]], { accumulate: true, into: total })
}
