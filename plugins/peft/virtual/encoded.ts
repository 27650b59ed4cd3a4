/**
 * The tensor of a file that an encoder makes: `prompt_embeddings`. While it is trained the encoder stands for it; loaded, it stands for itself.
 */
import { noGrad, scoped, type Tensor, zeros } from '../../../core/mod.ts'
import type { Device, ModelAdapter, Shape } from '../../../core/mod.ts'
import { copyElements } from '../../../core/tensor/tensor-bytes.ts'

/** The part of a ModelAdapter that is about its tensors. */
export type Encoded = Pick<ModelAdapter, 'parameters' | 'encoder' | 'encode' | typeof Symbol.dispose>

/** One trained tensor that stands in the file as it is. */
export function plainTensor(vectors: Tensor): Encoded {
  return {
    parameters: () => ({ prompt_embeddings: vectors }),
    [Symbol.dispose]: () => vectors.dispose(),
  }
}

/** Trained are `named`; the file gets what `make` gives, (shape) f32. */
export function encodedTensor(
  named: Readonly<Record<string, Tensor>>,
  { shape, device }: { readonly shape: Shape; readonly device: Device },
  make: () => Tensor,
): Encoded {
  const made = zeros(shape, { device })
  made.adopt(null)
  return {
    parameters: () => ({ prompt_embeddings: made }),
    encoder: () => named,
    encode: () =>
      noGrad(() => {
        using now = scoped(make)
        copyElements(made, now)
      }),
    [Symbol.dispose]() {
      for (const leaf of Object.values(named)) leaf.dispose()
      made.dispose()
    },
  }
}
