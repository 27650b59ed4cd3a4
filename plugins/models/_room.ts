/**
 * Whether the weights of a checkpoint fit on a device that has a limit of its own, before any is read.
 */
import { type Device, DTYPES, type FloatDType, TrituneError } from '../../core/mod.ts'

interface Stored {
  readonly shape: readonly number[]
}

/** E_MEMORY when the weights alone, as `dtype`, are more than the device can hold. What a run takes beside them is not counted. */
export function expectRoom(
  entries: Iterable<Stored>,
  dtype: FloatDType,
  { name, capacity }: Device,
  place: string,
): void {
  if (capacity === undefined) return
  let needed = 0
  for (const { shape } of entries) needed += DTYPES[dtype].bytes * shape.reduce((a, b) => a * b, 1)
  if (needed <= capacity) return
  throw new TrituneError(
    'E_MEMORY',
    `this model needs about ${decimal(needed)}, ${name} has ${decimal(capacity)} at most`,
    { place, remedy: 'use a smaller model, bf16, quantizer: nf4, or device: cpu' },
  )
}

function decimal(bytes: number): string {
  return bytes >= 1e9 ? `${(bytes / 1e9).toFixed(1)} GB` : `${(bytes / 1e6).toFixed(1)} MB`
}
