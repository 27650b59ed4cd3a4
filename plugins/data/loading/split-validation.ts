/**
 * Takes the validation examples out of the training set: a part (`val_set_size` below 1) or a number of them, from its end,
 * as axolotl does. The examples are shuffled before, or not, as `shuffle_merged_datasets` says.
 */
import { counted } from '../../../core/counted.ts'
import { TrituneError } from '../../../core/errors.ts'

export interface ValidationSplit<T> {
  readonly train: T[]
  readonly validation: T[]
}

/** A part is rounded up, as scikit-learn and Hugging Face do. Throws E_DATA when nothing would be left to train on. */
export function splitValidation<T>(examples: readonly T[], size: number): ValidationSplit<T> {
  const count = size < 1 ? Math.ceil(size * examples.length) : size
  if (count === 0) return { train: [...examples], validation: [] }
  if (count >= examples.length) {
    throw new TrituneError(
      'E_DATA',
      `val_set_size ${size} takes ${count} of the ${counted(examples.length, 'example')} and leaves none to train on`,
      { place: 'val_set_size', remedy: 'lower val_set_size or add examples' },
    )
  }
  const end = examples.length - count
  return { train: examples.slice(0, end), validation: examples.slice(end) }
}
