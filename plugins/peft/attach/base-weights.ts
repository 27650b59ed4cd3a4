/**
 * PEFT stores the embedding and the head too when they are targets (`save_embedding_layers`), as `<module>.base_layer.weight`. Where
 * they are those of the model they say nothing; others take their place (beside/from-file.ts).
 */
import type { Checkpoint } from '../../../core/files/checkpoint.ts'
import { type TensorEntry, tensorDType } from '../../../core/files/safetensors.ts'
import { setTensorBytes } from '../../../core/tensor/tensor-bytes.ts'
import { cast, empty, isQuantized, type Model, noGrad, sameShape, tensorScope } from '../../../core/mod.ts'
import { PREFIX } from '../files/tensor-names.ts'

const ENDING = '.base_layer.weight'

/** The entries without base weights that are the model's. */
export function withoutBaseWeights(
  { layers }: Pick<Model, 'layers'>,
  checkpoint: Checkpoint,
  entries: ReadonlyMap<string, TensorEntry>,
): ReadonlyMap<string, TensorEntry> {
  const kept = new Map(entries)
  for (const [name, entry] of entries) {
    if (!name.endsWith(ENDING)) continue
    const layer = layers.get(name.slice(PREFIX.length, -ENDING.length))
    if (!layer || isQuantized(layer.weight) || !sameShape(layer.weight.shape, entry.shape)) continue
    using _scope = tensorScope()
    const { weight } = layer
    const stored = empty(entry.shape, { dtype: tensorDType(entry), device: weight.device })
    setTensorBytes(stored, checkpoint.read(entry))
    const [theirs, ours] = noGrad(() =>
      // In the narrower of the two dtypes: a file may have been written of a wider or a narrower model.
      stored.dtype === 'f32' && weight.dtype === 'bf16'
        ? [cast(stored, 'bf16'), weight]
        : [cast(stored, 'f32'), cast(weight, 'f32')],
    ).map((one) => one.toArray())
    if (theirs.every((value, i) => value === ours[i])) kept.delete(name)
  }
  return kept
}
