/**
 * Which dataset type the records of a file are, told by the keys of the first one.
 */
import { TrituneError } from '../../../core/errors.ts'
import { datasetFiles } from '../files/dataset-files.ts'
import { readRecords } from '../files/read-records.ts'
import { DATASET_TYPES } from '../options/dataset-words.ts'

/** The key of a record that only this type has. */
const MARKS: Readonly<Record<string, string>> = {
  messages: 'chat_template',
  conversations: 'sharegpt',
  instruction: 'alpaca',
  segments: 'input_output',
  input_ids: 'tokenized',
  text: 'completion',
}

/** What to do when no type of the list reads a file. */
export interface TellTypeRemedies {
  /** Its records are answers to prefer. */
  readonly preferences?: string
  /** They are none that is known. */
  readonly unknown?: string
}

/**
 * The type of a file or folder of data. Throws E_DATA when its first record has the keys of none.
 *
 * @example
 * ```ts
 * import { tellDatasetType } from 'tritune/plugins/data'
 *
 * console.log(await tellDatasetType('my-data.jsonl')) // → chat_template
 * ```
 */
export async function tellDatasetType(
  path: string,
  {
    preferences = 'answers to prefer are for rl: dpo and its like',
    unknown = `name it: ${DATASET_TYPES.join(', ')}`,
  }: TellTypeRemedies = {},
): Promise<string> {
  const [file] = datasetFiles({ path, data_files: [], split: 'train', ds_type: null })
  const fields = await fieldsOfFirst(file)
  const mark = Object.keys(MARKS).find((key) => fields.includes(key))
  if (mark !== undefined) return MARKS[mark]
  const has = fields.length === 0 ? 'there is no record' : `the first record has ${fields.join(', ')}`
  const isPreference =
    (fields.includes('chosen') && fields.includes('rejected')) ||
    (fields.includes('completion') && fields.includes('label'))
  throw new TrituneError('E_DATA', `the type of the data cannot be told: ${has}`, {
    place: file,
    remedy: isPreference ? preferences : unknown,
  })
}

// ---- helpers ----------------------------------------------------------------------------------------------------

async function fieldsOfFirst(file: string): Promise<string[]> {
  for await (const { value } of readRecords(file, { ds_type: null, sample_by: 'line', field: 'text' }))
    return Object.keys(value)
  return []
}
