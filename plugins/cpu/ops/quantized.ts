/**
 * Packed weights on a native library: quantizing, dequantizing and linear layers.
 */
import {
  dequantize8bitOp,
  dequantizeOp,
  implement,
  linearQuantizedBackward,
  linearQuantizedForward,
  type OpImplementation,
  quantize4bitOp,
  quantize8bitOp,
  type QuantizedFormat,
  type QuantizedKind,
  type QuantizedParts,
  quantizeInt8Op,
  quantizeTernaryOp,
} from '../../../core/mod.ts'
import type { CheckedFunctions } from '../../../core/native/checked-functions.ts'
import { at, dtypeOf, NO_STREAM } from './_arguments.ts'

/** The enum of `weight`. */
const KINDS: { readonly [K in QuantizedKind]: number } = { nf4: 0, fp4: 1, int8: 2, ternary: 3 }

export function quantizedOps(native: CheckedFunctions): readonly OpImplementation[] {
  return [
    implement(quantize4bitOp, {
      run({ x }, { packed, absmax }, { kind, block }) {
        const { size } = x
        native.tt_quantize_4bit(
          at(packed),
          at(absmax),
          at(x),
          size,
          block,
          KINDS[kind],
          dtypeOf(x),
          NO_STREAM,
        )
      },
    }),
    implement(quantize8bitOp, {
      run({ x }, { codes, absmax }, { block, signed }) {
        native.tt_quantize_8bit(at(codes), at(absmax), at(x), x.size, block, Number(signed), NO_STREAM)
      },
    }),
    implement(dequantize8bitOp, {
      run({ codes, absmax }, { y }, { block, signed }) {
        native.tt_dequantize_8bit(at(y), at(codes), at(absmax), y.size, block, Number(signed), NO_STREAM)
      },
    }),
    implement(quantizeInt8Op, {
      run({ x }, { q, absmax }) {
        native.tt_quantize_int8(at(q), at(absmax), at(x), x.rows, x.shape.at(-1) ?? 1, dtypeOf(x), NO_STREAM)
      },
    }),
    implement(quantizeTernaryOp, {
      run({ w }, { packed, scale }, { block }) {
        const [rows, cols] = w.shape
        native.tt_quantize_ternary(at(packed), at(scale), at(w), rows, cols, block, dtypeOf(w), NO_STREAM)
      },
    }),
    implement(dequantizeOp, {
      run(parts, { y }, params) {
        const [rows, cols] = params.shape
        native.tt_dequantize(at(y), describe(params, parts), rows, cols, dtypeOf(y), NO_STREAM)
      },
    }),
    implement(linearQuantizedForward, {
      run(inputs, { y, xa }, { format, scale, dropout, rng, threshold }) {
        const { x, bias, loraA, loraB } = inputs
        const [outFeatures, inFeatures] = format.shape
        native.tt_linear_quantized_forward(
          at(y),
          at(xa),
          at(x),
          describe(format, inputs),
          at(bias),
          at(loraA),
          at(loraB),
          rng,
          x.rows,
          inFeatures,
          outFeatures,
          loraA ? loraA.shape[0] : 0,
          scale,
          dropout,
          threshold,
          dtypeOf(x),
          NO_STREAM,
        )
      },
    }),
    implement(linearQuantizedBackward, {
      run(inputs, { dx, dbias, da, db }, { format, scale, dropout, rng, accumulateDx }) {
        const { dy, x, loraA, loraB, xa } = inputs
        const [outFeatures, inFeatures] = format.shape
        native.tt_linear_quantized_backward(
          at(dx),
          at(dbias),
          at(da),
          at(db),
          at(dy),
          at(x),
          at(xa),
          describe(format, inputs),
          at(loraA),
          at(loraB),
          rng,
          dy.rows,
          inFeatures,
          outFeatures,
          loraA ? loraA.shape[0] : 0,
          scale,
          dropout,
          Number(accumulateDx),
          dtypeOf(dy),
          NO_STREAM,
        )
      },
    }),
  ]
}

const float = new Float32Array(1)
const bits = new Uint32Array(float.buffer)

interface Described {
  readonly address: number
  readonly parts: QuantizedParts
  readonly fields: BigInt64Array
}

/** A layer of one token has no time to say again where its weight is. */
const described = new WeakMap<QuantizedFormat, Described>()

/** `weight` of the ABI: int64[8]. */
function describe(format: QuantizedFormat, { data, scale, nested }: QuantizedParts): BigInt64Array {
  const known = described.get(format)
  // A weight may lie elsewhere than before, and then its parts do.
  if (
    known &&
    known.address === at(data) &&
    known.parts.data === data &&
    known.parts.scale === scale &&
    known.parts.nested === nested
  )
    return known.fields
  const { kind, block, offset } = format
  float[0] = offset
  const fields = BigInt64Array.from(
    [KINDS[kind], at(data), at(scale), at(nested), block, bits[0], 0, 0],
    BigInt,
  )
  described.set(format, { address: at(data), parts: { data, scale, nested }, fields })
  return fields
}
