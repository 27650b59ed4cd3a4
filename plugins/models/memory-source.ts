/**
 * Weights from a safetensors file that is in memory, where there are no files: a page.
 */
import { parseSafetensors, tensorDType } from '../../core/files/safetensors-header.ts'
import { type Device, empty, type FloatDType, type WeightSource } from '../../core/mod.ts'
import { setTensorBytes } from '../../core/tensor/tensor-bytes.ts'
import { finish, missing } from './_finish-weight.ts'
import { expectRoom } from './_room.ts'

/** Options of `openMemorySource()`: where the weights go, in which dtype. */
export interface MemorySourceOptions {
  readonly device: Device
  /** What the weights become; the compute dtype of the model. */
  readonly dtype: FloatDType
  /** For errors: where the bytes come from. */
  readonly place: string
}

/** For `MODELS[type].create(config, source)`. Throws E_FORMAT for bytes that are no safetensors file, E_MEMORY when the device cannot hold them. */
export function openMemorySource(
  bytes: Uint8Array,
  { device, dtype, place }: MemorySourceOptions,
): WeightSource {
  const { entries } = parseSafetensors(place, bytes.length, (start, length) =>
    bytes.subarray(start, start + length),
  )
  expectRoom(entries.values(), dtype, device, place)
  return {
    place,
    has: (name) => entries.has(name),
    names: () => entries.keys(),
    load(name, shape) {
      const entry = entries.get(name)
      if (!entry) throw missing(place, name, entries.keys())
      const raw = empty(entry.shape, { dtype: tensorDType(entry), device })
      try {
        setTensorBytes(raw, bytes.subarray(entry.offset, entry.offset + entry.bytes))
      } catch (error) {
        raw.dispose()
        throw error
      }
      return finish(raw, { place, name, shape, dtype, copy: false })
    },
  }
}
