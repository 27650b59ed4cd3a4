/**
 * f32 → blocks of ggml on the CPU, as llama.cpp quantizes without an importance matrix. Whole blocks only; knows nothing of files.
 */
import { TrituneError } from '../../core/errors.ts'
import { FORMATS } from './blocks/formats.ts'
import type { GgmlType } from './types.ts'

/** The largest f16, which scales are. */
const HALF = 65504

/** The size up to which every scale and minimum of a type is an f16. */
const MOST: Readonly<Record<string, number>> = {
  F16: HALF,
  Q8_0: 127 * HALF,
  Q4_0: 8 * HALF,
  Q4_1: HALF,
  Q5_0: 16 * HALF,
  Q5_1: HALF,
  Q4_K: 63 * HALF,
  Q5_K: 63 * HALF,
  Q6_K: 128 * HALF,
  TQ1_0: HALF,
  TQ2_0: HALF,
}

/**
 * Encodes `values`, which are whole blocks. Every value is checked: what is no number, or too large for the type, is an error
 * and never an infinity in the file.
 *
 * @throws E_UNSUPPORTED, naming `place` and the type, when the type has no encoder here; E_SHAPE for a part of a block; E_NAN
 * @example
 * ```ts
 * import { dequantize, ggmlType, quantize } from 'tritune/plugins/gguf'
 *
 * const values = Float32Array.from({ length: 32 }, (_, i) => i / 31)
 * const type = ggmlType('Q8_0')
 * const blocks = quantize(type, values, 'my values')
 * const back = new Float32Array(32)
 * dequantize(type, blocks, back, 'my values')
 * console.log(blocks.length, Math.abs(back[31] - 1) < 1e-3) // → 34 true
 * ```
 */
export function quantize(type: GgmlType, values: Float32Array, place: string): Uint8Array<ArrayBuffer> {
  const format = FORMATS.get(type.name)
  if (format === undefined) {
    throw new TrituneError('E_UNSUPPORTED', `tensors of type ${type.name} cannot be written`, {
      place,
      remedy: `choose one of ${[...FORMATS.keys()].join(', ')}`,
    })
  }
  if (values.length % type.blockElements !== 0) {
    throw new TrituneError(
      'E_SHAPE',
      `${values.length} elements are not whole blocks of ${type.blockElements} (${type.name})`,
      { place },
    )
  }
  expectFinite(values, MOST[type.name] ?? Number.MAX_VALUE, type, place)
  const out = new Uint8Array((values.length / type.blockElements) * type.blockBytes)
  format.encode(values, out)
  return out
}

function expectFinite(values: Float32Array, most: number, type: GgmlType, place: string): void {
  for (let i = 0; i < values.length; i++) {
    if (Math.abs(values[i]) <= most) continue
    const finite = Number.isFinite(values[i])
    throw new TrituneError(
      'E_NAN',
      finite ? `${values[i]} does not fit into ${type.name}` : `there is ${values[i]} among the weights`,
      {
        place,
        remedy: finite ? 'choose f32 or bf16' : 'the weights are damaged, or their training diverged',
      },
    )
  }
}
