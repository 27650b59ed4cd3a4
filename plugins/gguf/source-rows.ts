/**
 * The rows of a tensor source as f32, some at a time: bytes come in pieces that end anywhere, blocks need whole rows.
 */
import { TrituneError } from '../../core/errors.ts'
import type { TensorSource } from '../../core/files/safetensors-write.ts'
import { DTYPES } from '../../core/tensor/dtype.ts'
import { bf16, f16, f32 } from './blocks/floats.ts'

const DECODERS = { f32: f32.decode, f16: f16.decode, bf16: bf16.decode }

/**
 * Whole rows, of at most `most` numbers (at least one row) at a time; each is valid until the next one is asked for.
 * @throws E_UNSUPPORTED for a dtype that is no float; E_SHAPE when there are too few bytes or too many
 */
export function* floatRows(source: TensorSource, most: number): Generator<Float32Array> {
  const { name, dtype, shape } = source
  if (dtype !== 'f32' && dtype !== 'bf16' && dtype !== 'f16')
    throw new TrituneError('E_UNSUPPORTED', `weights of ${dtype} cannot be written`, {
      place: `tensor "${name}"`,
    })
  const decode = DECODERS[dtype]
  const size = DTYPES[dtype].bytes
  const total = shape.reduce((product, count) => product * count, 1)
  const row = shape.length > 1 ? total / shape[0] : total
  const step = Math.min(total, Math.max(row, Math.floor(most / row) * row))
  const bytes = new Uint8Array(step * size)
  const floats = new Float32Array(step)
  let left = total
  let filled = 0
  for (const chunk of source.chunks())
    for (let at = 0; at < chunk.length;) {
      const want = Math.min(left, step) * size
      if (want === 0) throw wrongSize(name, 'more')
      const take = Math.min(chunk.length - at, want - filled)
      bytes.set(chunk.subarray(at, at + take), filled)
      at += take
      filled += take
      if (filled < want) continue
      const count = want / size
      const out = floats.subarray(0, count)
      decode(bytes.subarray(0, want), out)
      yield out
      left -= count
      filled = 0
    }
  if (left > 0) throw wrongSize(name, 'fewer')
}

function wrongSize(name: string, how: 'more' | 'fewer'): TrituneError {
  return new TrituneError('E_SHAPE', `it gave ${how} bytes than its shape says`, {
    place: `tensor "${name}"`,
  })
}
