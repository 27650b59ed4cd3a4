/**
 * A trained BPE as files that tritune, transformers and Python's tokenizers load: tokenizer.json and
 * tokenizer_config.json. Byte-level BPE without special tokens around the text, as SmolLM2 and GPT-2 have it.
 */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { writeFileAtomic } from '../../../core/files/atomic.ts'
import type { TokenizerFiles } from '../../../plugins/tokenizer/mod.ts'

export function writeTokenizer(
  folder: string,
  { tokenizer, config }: TokenizerFiles,
  { contextLength }: { contextLength: number },
): void {
  mkdirSync(folder, { recursive: true })
  writeFileAtomic(join(folder, 'tokenizer.json'), json(tokenizer))
  writeFileAtomic(join(folder, 'tokenizer_config.json'), json({ ...config, model_max_length: contextLength }))
}

/** One entry per line would make 8000 lines of it; nobody reads it. */
function json(value: unknown): string {
  return `${JSON.stringify(value)}\n`
}
