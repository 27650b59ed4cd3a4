/**
 * Blocks of ggml → f32 on the CPU. Decodes whole blocks only and knows nothing of files; the formats are in blocks/.
 */
import { TrituneError } from '../../core/errors.ts'
import { FORMATS } from './blocks/formats.ts'
import type { GgmlType } from './types.ts'

/**
 * Decodes `bytes` into `out`; both are whole blocks of the same number of elements.
 * @throws E_UNSUPPORTED, naming `place` and the type, when the type has no decoder here
 */
export function dequantize(type: GgmlType, bytes: Uint8Array, out: Float32Array, place: string): void {
  const format = FORMATS.get(type.name)
  if (format === undefined) {
    throw new TrituneError('E_UNSUPPORTED', `tensors of type ${type.name} cannot be decoded`, {
      place,
      remedy: `use a file with ${[...FORMATS.keys()].join(', ')}`,
    })
  }
  if (bytes.length * type.blockElements !== out.length * type.blockBytes) {
    throw new TrituneError(
      'E_SHAPE',
      `${bytes.length} bytes of ${type.name} are not ${out.length} elements`,
      { place },
    )
  }
  format.decode(bytes, out)
}
