/**
 * The records that prompts came from: rewards compare completions with what stands in them beside the prompt.
 */
import { TrituneError } from '../../core/mod.ts'
import { type DatasetOptions, datasetFiles, readRecords, type TokenizedExample } from '../data/mod.ts'

type Fields = Readonly<Record<string, unknown>>

/** Reads the files of these datasets once more. The record of an example is found by its place. */
export async function promptRecords(
  datasets: readonly DatasetOptions[],
): Promise<(example: Pick<TokenizedExample, 'source'>) => Fields> {
  const records = new Map<string, Fields>()
  for (const options of datasets)
    for (const file of datasetFiles(options))
      for await (const { value, source } of readRecords(file, options)) records.set(placeOf(source), value)
  return ({ source }) => {
    const found = records.get(placeOf(source))
    if (found) return found
    throw new TrituneError('E_DATA', 'the record of a prompt is no longer there', {
      place: placeOf(source),
      remedy: 'leave the dataset as it is while a run begins',
    })
  }
}

function placeOf({ file, line }: TokenizedExample['source']): string {
  return `${file}:${line}`
}
