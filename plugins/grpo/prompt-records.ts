/**
 * The records that prompts came from: rewards compare completions with what stands in them beside the prompt.
 */
import { TrituneError } from '../../core/mod.ts'
import { type DatasetOptions, datasetFiles, readRecords, type TokenizedExample } from '../data/mod.ts'

type Fields = Readonly<Record<string, unknown>>

type Example = Pick<TokenizedExample, 'source'>

/** Reads the files that these prompts came from once more. The record of a prompt is found by its place. */
export async function promptRecords(
  prompts: readonly Example[],
  datasets: readonly DatasetOptions[],
): Promise<(prompt: Example) => Fields> {
  const wanted = new Set(prompts.map(placeOf))
  const records = new Map<string, Fields>()
  for (const file of new Set(prompts.map(({ source }) => source.file)))
    for await (const { value, source } of readRecords(file, entryOf(file, datasets))) {
      const place = placeOf({ source })
      if (wanted.has(place)) records.set(place, value)
    }
  return (prompt) => {
    const found = records.get(placeOf(prompt))
    if (found) return found
    throw new TrituneError('E_DATA', 'the record of a prompt is no longer there', {
      place: placeOf(prompt),
      remedy: 'leave the dataset as it is while a run begins',
    })
  }
}

/** The entry that names a file, which says how it is read. */
function entryOf(file: string, datasets: readonly DatasetOptions[]): DatasetOptions {
  const [first, ...others] = datasets
  if (others.length === 0) return first
  return datasets.find((entry) => datasetFiles(entry).includes(file)) ?? first
}

function placeOf({ source: { file, line } }: Example): string {
  return `${file}:${line}`
}
