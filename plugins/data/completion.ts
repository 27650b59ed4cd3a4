/**
 * `type: completion`: plain text, every token trained, EOS at the end; text longer than `sequence_len` becomes several
 * examples.
 */
import { textField } from './dataset-type.ts'
import type { DatasetType } from './dataset-type.ts'
import { encodeOpening, withEos } from './prompt-response.ts'

export const completion: DatasetType = {
  name: 'completion',
  splitsLongText: true,
  tokenize(record, { tokenizer, options }) {
    const text = textField(record, options.field)
    const ids = Int32Array.from(withEos(tokenizer, encodeOpening(tokenizer, text)))
    return { ids, labels: ids.slice(), source: record.source }
  },
}
