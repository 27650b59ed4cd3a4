/**
 * Which tokenizer goes with a model and an adapter on it.
 */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { readTokenizerFiles, type TokenizerFiles } from '../tokenizer/mod.ts'

/**
 * The folder of an adapter can hold the tokenizer and the chat template that it was trained with; else those of the model count. Throws what
 * `readTokenizerFiles()` throws.
 */
export function tokenizerFilesFor(modelPath: string, adapter: string | undefined): TokenizerFiles {
  const own = readTokenizerFiles(modelPath)
  if (adapter === undefined || !existsSync(join(adapter, 'tokenizer.json'))) return own
  return { ...readTokenizerFiles(adapter), stopIds: own.stopIds }
}
