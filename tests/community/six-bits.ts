/**
 * A quantizer of a stranger, in one file: six bits a weight, 32 weights share a scale.
 *
 *   code = round(31 · w / absmax of the group)     w ≈ code · absmax / 31
 */
import {
  cast,
  defineOptions,
  definePlugin,
  type Device,
  type FloatDType,
  integer,
  noGrad,
  optional,
  type Plugin,
  type QuantizedTensor,
  type QuantizerDefinition,
  scoped,
  type Tensor,
  tensor,
  TrituneError,
} from 'tritune/core'

interface SixBits extends QuantizedTensor {
  readonly kind: 'six-bits'
  readonly codes: Int8Array
  readonly absmax: Float32Array
  readonly group: number
  readonly device: Device
}

export interface SixBitsOptions {
  readonly group: number
}

export const sixBits: QuantizerDefinition<SixBitsOptions> = {
  name: 'six-bits',
  options: defineOptions({ group: optional(integer({ min: 1, max: 4096 }), 32) }),
  create: ({ group }) => ({
    quantize: (weight) => pack(weight, group),
    dequantize(packed, dtype: FloatDType = 'f32') {
      if (!isSixBits(packed)) throw new TrituneError('E_DTYPE', `"${packed.kind}" is no form of six-bits`)
      return unpack(packed, dtype)
    },
  }),
}

export const plugin: Plugin = definePlugin({
  name: 'six-bits',
  provides: { quantizer: { 'six-bits': sixBits } },
})

function pack(weight: Tensor, group: number): SixBits {
  const values = weight.toArray()
  const codes = new Int8Array(values.length)
  const absmax = new Float32Array(Math.ceil(values.length / group))
  for (const i of absmax.keys()) {
    const of = values.subarray(i * group, (i + 1) * group)
    absmax[i] = of.reduce((most, value) => Math.max(most, Math.abs(value)), 0)
    if (absmax[i] > 0)
      codes.set(
        Int8Array.from(of, (value) => Math.round((31 * value) / absmax[i])),
        i * group,
      )
  }
  const { shape, device } = weight
  const bytes = Math.ceil((codes.length * 6) / 8) + absmax.byteLength
  return { kind: 'six-bits', shape, bytes, codes, absmax, group, device, [Symbol.dispose]() {} }
}

function unpack({ codes, absmax, group, shape, device }: SixBits, dtype: FloatDType): Tensor {
  const values = Float32Array.from(codes, (code, i) => (code * absmax[Math.floor(i / group)]) / 31)
  return noGrad(() => scoped(() => cast(tensor(values, { shape, device }), dtype)))
}

function isSixBits(packed: QuantizedTensor): packed is SixBits {
  return packed.kind === 'six-bits'
}
