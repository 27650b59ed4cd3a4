/**
 * What the readers of packed weights need of a checkpoint: its tensors by name, on the device or on the host.
 */
import type { TensorEntry } from '../../core/files/safetensors.ts'
import { type DType, DTYPES, formatShape, type Shape, type Tensor, TrituneError } from '../../core/mod.ts'

/** A checkpoint that holds packed weights. */
export interface PackedFile {
  /** For errors. */
  readonly place: string
  readonly entries: ReadonlyMap<string, TensorEntry>
  /** The bytes of an entry as a tensor of this dtype and shape; it lies in the mapped file where the device has one. */
  tensor(entry: TensorEntry, dtype: DType, shape: Shape): Tensor
  /** The bytes of an entry on the host. */
  bytes(entry: TensorEntry): Uint8Array
}

/** The entry of that name, of that dtype and shape. E_FORMAT when it is missing or another. */
export function expectEntry(
  { entries, place }: PackedFile,
  name: string,
  dtypes: readonly DType[],
  shape: Shape,
): TensorEntry {
  const entry = entries.get(name)
  if (!entry) throw damaged(`there is no tensor "${name}", which its packed weight needs`, place)
  const fits = entry.dtype !== undefined && dtypes.includes(entry.dtype)
  if (fits && entry.shape.join() === shape.join()) return entry
  const wanted = dtypes.map((dtype) => DTYPES[dtype].safetensors).join(' or ')
  throw damaged(
    `tensor "${name}" is ${entry.storedDType} ${formatShape(entry.shape)}, expected ${wanted} ${formatShape(shape)}`,
    entry.file,
  )
}

/** A packed weight whose parts do not belong together. */
export function damaged(what: string, place: string): TrituneError {
  return new TrituneError('E_FORMAT', what, {
    place,
    remedy: 'the checkpoint is damaged or of another model: download or save it again',
  })
}
