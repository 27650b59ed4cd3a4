/**
 * No `type`: the records are tokens already, {input_ids, labels?}. Without labels every token is trained.
 */
import { didYouMean } from '../../../core/errors.ts'
import { showValue } from '../../../core/contracts/config.ts'
import { DATASET_TYPES } from '../options/dataset-words.ts'
import { IGNORE, recordError } from './dataset-type.ts'
import type { DatasetType, RecordSource } from './dataset-type.ts'

/** The dataset type of records that are tokens already: `{ input_ids, labels? }`; labels of −100 are not trained. */
export const tokenized: DatasetType = {
  name: 'tokenized',
  tokenize({ value, source }) {
    if (value.input_ids === undefined) {
      throw recordError(
        source,
        `there is no "input_ids" and the dataset has no type; ${didYouMean('', DATASET_TYPES)}`,
        'set the type of the dataset, for example type: alpaca',
      )
    }
    const ids = integers(value.input_ids, 'input_ids', source, (id) => id >= 0)
    if (value.labels === undefined || value.labels === null) return { ids, labels: ids.slice(), source }
    const labels = integers(value.labels, 'labels', source, (id) => id >= 0 || id === IGNORE)
    if (labels.length !== ids.length) {
      throw recordError(source, `expected as many labels as input_ids (${ids.length}), got ${labels.length}`)
    }
    return { ids, labels, source }
  },
}

/** Whether the model knows the ids is checked when the model is there. */
function integers(
  value: unknown,
  key: string,
  source: RecordSource,
  isAllowed: (id: number) => boolean,
): Int32Array {
  if (!Array.isArray(value))
    throw recordError(source, `expected "${key}" to be a list of integers, got ${showValue(value)}`)
  const wrong = value.findIndex(
    (id: unknown) => typeof id !== 'number' || !Number.isInteger(id) || id > LARGEST || !isAllowed(id),
  )
  if (wrong < 0) return Int32Array.from(value)
  const wanted = key === 'labels' ? `token ids or ${IGNORE}` : 'token ids'
  throw recordError(source, `expected "${key}" to be ${wanted}, got ${showValue(value[wrong])} at [${wrong}]`)
}

const LARGEST = 2 ** 31 - 1
