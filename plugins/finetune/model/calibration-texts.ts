/**
 * Texts that a model is rounded by: examples of a data file as a run would learn them, drawn from all of it.
 */
import { TrituneError } from '../../../core/mod.ts'
import { documentsOf, loadDataset, tellDatasetType } from '../../data/mod.ts'
import { finetuneConfig } from '../config/config.ts'
import { openTokenizer } from './run-tokenizer.ts'

/** Options of `calibrationTexts()`. */
export interface CalibrationTextsOptions {
  /** Texts at most. */
  readonly rows?: number
  /** Tokens of a text at most: longer plain texts become several, longer examples are cut. */
  readonly length?: number
  /** Of the draw. */
  readonly seed?: number
}

/**
 * Token ids of texts from a file or folder of data, by the tokenizer of the model in `modelPath`. Its first record tells the type of the data, and
 * what has nothing to learn is left out, as in a run. E_FILE, E_DATA, E_TOKENIZER, E_VALUE.
 *
 * @example
 * ```ts
 * import { calibrationTexts } from 'tritune/plugins/finetune'
 *
 * const texts = await calibrationTexts('my-data.jsonl', 'my-model', { rows: 8, length: 64 })
 * console.log(texts.length, texts.every(({ length }) => length <= 64)) // → 8 true
 * ```
 */
export async function calibrationTexts(
  path: string,
  modelPath: string,
  { rows = 128, length = 256, seed = 0 }: CalibrationTextsOptions = {},
): Promise<Int32Array[]> {
  for (const [name, value] of Object.entries({ rows, length }))
    if (!Number.isInteger(value) || value < 1)
      throw new TrituneError('E_VALUE', `${name}: expected a whole number from 1, got ${value}`)
  const type = await calibrationType(path)
  const config = finetuneConfig.validate({
    base_model: modelPath,
    datasets: [{ path, type }],
    sequence_len: length,
    excess_length_strategy: 'truncate',
    learning_rate: 1e-4,
    seed,
  })
  using data = await loadDataset(config, openTokenizer(modelPath, config))
  const texts = data.train.flatMap((example) => documentsOf(example).map(({ ids }) => Int32Array.from(ids)))
  if (texts.length === 0)
    throw new TrituneError('E_DATA', 'there is no text to round by', {
      place: path,
      remedy: 'every record was left out: give texts that have something to learn, or a larger length',
    })
  return texts.slice(0, rows)
}

/** The type of data that a model is to be rounded by, by the first record of its first file: a glance before anything is loaded. E_FILE, E_DATA. */
export function calibrationType(path: string): Promise<string> {
  return tellDatasetType(path, {
    preferences: 'round by the texts alone: a file of { text } or { messages }',
    unknown: 'round by a file of { text } or { messages }',
  })
}
