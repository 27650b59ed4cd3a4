/**
 * The weight of a layer in f32, some rows at a time: for what must see all of it and make no second one.
 */
import type { BaseLayer } from '../contracts/base-layer.ts'
import { cast } from '../ops/cast.ts'
import { dequantizeWeight } from '../ops/dequantize.ts'
import {
  isBlockwise,
  NESTED_BLOCK,
  quantizedWeight,
  type QuantizedWeight,
} from '../tensor/quantized-weight.ts'
import { scoped, tensorScope } from '../tensor/scope.ts'
import { noGrad } from '../tensor/tape.ts'
import type { Tensor } from '../tensor/tensor.ts'
import { isQuantized } from './dense-weight.ts'

/** Elements of one block of rows: 4 MiB of f32. */
const BLOCK = 2 ** 20

/** Consecutive rows of a weight. */
export interface WeightRows {
  readonly start: number
  /** (rows, in) f32; freed when `visit` returns. */
  readonly rows: Tensor
}

/**
 * Calls `visit` for each block of rows, first to last. Ternary weights, whose rows are interleaved, and those of a form come in one block.
 *
 * @example
 * ```ts
 * import { eachWeightRows } from 'tritune/core'
 * import { loadModel } from 'tritune/plugins/models'
 *
 * using model = loadModel('my-model')
 * let seen = 0
 * eachWeightRows(model.head, ({ rows }) => void (seen += rows.shape[0]))
 * console.log(seen === model.head.outputs) // → true
 * ```
 */
export function eachWeightRows(
  { weight, form }: Pick<BaseLayer, 'weight' | 'form'>,
  visit: (block: WeightRows) => void,
): void {
  if (form) {
    using _scope = tensorScope()
    return noGrad(() => visit({ start: 0, rows: form.dense(weight, 'f32') }))
  }
  const [total, columns] = weight.shape
  const step = stepOf(weight, Math.max(1, Math.floor(BLOCK / columns)))
  for (let start = 0; start < total; start += step) {
    const count = Math.min(step, total - start)
    using _scope = tensorScope()
    noGrad(() => visit({ start, rows: rowsOf(weight, start, count) }))
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** So many rows, or a few more, that every block starts where the packed form can be cut. */
function stepOf(weight: Tensor | QuantizedWeight, wanted: number): number {
  if (!isQuantized(weight)) return wanted
  const [rows, columns] = weight.shape
  if (weight.kind === 'ternary') return rows
  if (!isBlockwise(weight.kind)) return wanted
  const unit = weight.block * (weight.parts.nested ? NESTED_BLOCK : 1)
  const smallest = unit / gcd(unit, columns)
  return smallest * Math.max(1, Math.floor(wanted / smallest))
}

function rowsOf(weight: Tensor | QuantizedWeight, start: number, count: number): Tensor {
  if (!isQuantized(weight)) return cast(weight.rowsView(start, count), 'f32')
  const [rows, columns] = weight.shape
  if (count === rows) return dequantizeWeight(weight)
  const { kind, block, offset, parts } = weight
  const { data, scale, nested } = parts
  return scoped(() => {
    const shape = [count, columns]
    if (!isBlockwise(kind))
      return dequantizeWeight(
        quantizedWeight({
          kind,
          shape,
          parts: { data: data.rowsView(start, count), scale: scale.rowsView(start, count) },
        }),
      )
    const [first, size] = [start * columns, count * columns]
    const scales = Math.ceil(size / block)
    return dequantizeWeight(
      quantizedWeight({
        kind,
        shape,
        block,
        offset,
        parts: {
          data: data.window([Math.ceil(size / 2)], first / 2),
          scale: scale.window([scales], first / block),
          ...(nested
            ? { nested: nested.window([Math.ceil(scales / NESTED_BLOCK)], first / block / NESTED_BLOCK) }
            : {}),
        },
      }),
    )
  })
}

function gcd(a: number, b: number): number {
  return b === 0 ? a : gcd(b, a % b)
}
