/**
 * my-quantizer: eight bits a weight and one scale a row.
 *
 *   code = round(127 · w / absmax of the row)      w ≈ code · absmax / 127
 *
 * tritune computes with the values of this form; a form that ops multiply by (nf4, int8, …) also saves memory.
 */
import {
  cast,
  defineOptions,
  definePlugin,
  type FloatDType,
  noGrad,
  type Plugin,
  type QuantizedTensor,
  type QuantizerDefinition,
  scoped,
  type Tensor,
  tensor,
  TrituneError,
} from 'tritune/core'

export interface MyQuantizerRows extends QuantizedTensor {
  readonly kind: 'my-quantizer'
  readonly codes: Int8Array
  /** One a row. */
  readonly absmax: Float32Array
  readonly device: Tensor['device']
}

export const myQuantizer: QuantizerDefinition<object> = {
  name: 'my-quantizer',
  options: defineOptions({}),
  create: () => ({
    quantize: pack,
    dequantize(packed, dtype: FloatDType = 'f32') {
      if (!isRows(packed)) throw new TrituneError('E_DTYPE', `"${packed.kind}" is not a form of my-quantizer`)
      return unpack(packed, dtype)
    },
  }),
}

export const plugin: Plugin = definePlugin({
  name: 'my-quantizer',
  provides: { quantizer: { 'my-quantizer': myQuantizer } },
})

// ---- helpers ----

function pack(weight: Tensor): MyQuantizerRows {
  const values = weight.toArray()
  const columns = weight.shape.at(-1) ?? 1
  const absmax = new Float32Array(columns === 0 ? 0 : values.length / columns)
  const codes = new Int8Array(values.length)
  for (const row of absmax.keys()) {
    const of = values.subarray(row * columns, (row + 1) * columns)
    const largest = of.reduce((max, value) => Math.max(max, Math.abs(value)), 0)
    absmax[row] = largest
    if (largest > 0)
      for (const [i, value] of of.entries()) codes[row * columns + i] = Math.round((127 * value) / largest)
  }
  return {
    kind: 'my-quantizer',
    shape: weight.shape,
    bytes: codes.byteLength + absmax.byteLength,
    codes,
    absmax,
    device: weight.device,
    [Symbol.dispose]() {}, // memory of JavaScript
  }
}

function unpack({ codes, absmax, shape, device }: MyQuantizerRows, dtype: FloatDType): Tensor {
  const columns = shape.at(-1) ?? 1
  const values = Float32Array.from(codes, (code, i) => (code * (absmax[Math.floor(i / columns)] ?? 0)) / 127)
  if (dtype === 'f32') return tensor(values, { shape, device })
  return noGrad(() => scoped(() => cast(tensor(values, { shape, device }), dtype)))
}

function isRows(packed: QuantizedTensor): packed is MyQuantizerRows {
  return packed.kind === 'my-quantizer'
}
