/**
 * `type: completion`: plain text, every token trained, EOS at the end; text longer than `sequence_len` becomes several
 * examples.
 */
import { IGNORE, textField } from './dataset-type.ts'
import type { DatasetType } from './dataset-type.ts'
import { encodeOpening, withEos } from './prompt-response.ts'

/**
 * The dataset type `completion`: records `{ text }` (or another `field`), all of it trained with an EOS at the end;
 * long texts are cut into several examples.
 */
export const completion: DatasetType = {
  name: 'completion',
  splitsLongText: true,
  tokenize(record, { tokenizer, options }) {
    const text = textField(record, options.field)
    const ids = Int32Array.from(withEos(tokenizer, encodeOpening(tokenizer, text)))
    // As an empty response, an empty text teaches nothing, not even to stop.
    const labels = text === '' ? new Int32Array(ids.length).fill(IGNORE) : ids.slice()
    return { ids, labels, source: record.source }
  },
}
