/**
 * `type: completion`: plain text, every token trained, EOS at the end; text longer than `sequence_len` becomes several
 * examples.
 */
import { IGNORE, textField } from './dataset-type.ts'
import type { DatasetType, RecordSource, TokenizedExample } from './dataset-type.ts'
import { applyLengthPolicy } from '../loading/length-policy.ts'
import { encodeOpening, type TextTokenizer, withEos } from './prompt-response.ts'

/**
 * The dataset type `completion`: records `{ text }` (or another `field`), all of it trained with an EOS at the end;
 * long texts are cut into several examples.
 */
export const completion: DatasetType = {
  name: 'completion',
  splitsLongText: true,
  tokenize: (record, { tokenizer, options }) =>
    exampleOf(textField(record, options.field), tokenizer, record.source),
}

/** Texts that lie in no file, as the dataset type `completion` makes examples of them. */
export function completionExamples(
  texts: readonly string[],
  tokenizer: TextTokenizer,
  sequenceLen: number,
): TokenizedExample[] {
  const examples = texts.map((text, i) => exampleOf(text, tokenizer, { file: 'texts', line: i + 1 }))
  return applyLengthPolicy(examples, {
    sequenceLen,
    strategy: 'drop',
    minSampleLen: 2,
    splitsLongText: true,
    untrainedReason: 'it has no text',
  }).examples
}

function exampleOf(text: string, tokenizer: TextTokenizer, source: RecordSource): TokenizedExample {
  const ids = Int32Array.from(withEos(tokenizer, encodeOpening(tokenizer, text)))
  // As an empty response, an empty text teaches nothing, not even to stop.
  const labels = text === '' ? new Int32Array(ids.length).fill(IGNORE) : ids.slice()
  return { ids, labels, source }
}
