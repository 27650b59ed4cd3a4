/**
 * Puts a stored tensor into a parameter of an adapter, whatever float type the file has.
 */
import type { Checkpoint } from '../../core/files/checkpoint.ts'
import { type TensorEntry, tensorDType } from '../../core/files/safetensors.ts'
import { copyElements, setTensorBytes } from '../../core/tensor/tensor-bytes.ts'
import { cast, empty, firstNonFinite, noGrad, type Tensor, TrituneError } from '../../core/mod.ts'

/** `target` is f32 and has the shape of `entry`. E_ADAPTER when the file has NaN or Inf there. */
export function fillParameter(
  target: Tensor,
  entry: TensorEntry,
  checkpoint: Checkpoint,
  file: string,
): void {
  const dtype = tensorDType(entry)
  if (dtype === 'f32') setTensorBytes(target, checkpoint.read(entry))
  else {
    using stored = empty(entry.shape, { dtype, device: target.device })
    setTensorBytes(stored, checkpoint.read(entry))
    using wide = noGrad(() => cast(stored, 'f32'))
    copyElements(target, wide)
  }
  if (firstNonFinite(target) >= 0)
    throw new TrituneError('E_ADAPTER', `tensor "${entry.name}" has NaN or Inf`, {
      place: file,
      remedy:
        'its training diverged, or the file is damaged: take an earlier checkpoint, or train it again with a lower learning_rate',
    })
}
