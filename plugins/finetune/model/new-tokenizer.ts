/**
 * The tokenizer of a model that starts anew: one that is there, one of single bytes, or one that is trained on the datasets of the run.
 */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { writeFileAtomic } from '../../../core/files/atomic.ts'
import { datasetFiles, type DatasetOptions, readRecords } from '../../data/mod.ts'
import { byteTokenizer, createBpeTrainer, type TokenizerFiles } from '../../tokenizer/mod.ts'
import type { FinetuneConfig } from '../config/config.ts'
import { BYTES } from './new-model.ts'
import { saveTokenizer } from '../output/save-tokenizer.ts'

/**
 * Writes its files into `folder`. `found`: the folder of the one that the file names, or that lies beside the shape of the model.
 * E_TOKENIZER when the datasets have no text to train on; what reading them throws.
 */
export async function writeNewTokenizer(
  folder: string,
  config: Pick<FinetuneConfig, 'datasets' | 'tokenizer_config' | 'train_tokenizer'>,
  found: string | null,
): Promise<void> {
  mkdirSync(folder, { recursive: true })
  if (config.train_tokenizer !== null) return write(folder, await trained(config, config.train_tokenizer))
  if (config.tokenizer_config === BYTES) return write(folder, byteTokenizer())
  if (found !== null) saveTokenizer(folder, found)
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function write(folder: string, { tokenizer, config }: TokenizerFiles): void {
  const files = { 'tokenizer.json': tokenizer, 'tokenizer_config.json': config }
  for (const [name, content] of Object.entries(files))
    writeFileAtomic(join(folder, name), `${JSON.stringify(content, null, 2)}\n`)
}

/** Records are read one by one: what is kept is how often each word comes. */
async function trained(
  { datasets }: Pick<FinetuneConfig, 'datasets'>,
  { vocab_size: vocabSize, min_frequency: minFrequency }: NonNullable<FinetuneConfig['train_tokenizer']>,
): Promise<TokenizerFiles> {
  const trainer = createBpeTrainer({ vocabSize, minFrequency })
  for (const entry of datasets)
    for (const file of datasetFiles(entry))
      for await (const { value } of readRecords(file, entry))
        for (const text of textsOf(value, entry)) trainer.add(text)
  return trainer.train()
}

/** Of a text dataset its text; of others every text in the record. */
function textsOf(value: Readonly<Record<string, unknown>>, { type, field }: DatasetOptions): string[] {
  return strings(type === 'completion' ? value[field] : value)
}

function strings(value: unknown): string[] {
  if (typeof value === 'string') return [value]
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(strings) : []
}
