/**
 * The methods that are built in, by the name that `adapter:` gives them. One file each; a plugin adds others in the same way.
 */
import { lora } from './lora.ts'
import { pTuning } from './p-tuning.ts'
import { prefix } from './prefix.ts'
import { prompt } from './prompt.ts'

/** Name → definition. */
export const METHODS: {
  readonly lora: typeof lora
  readonly prompt: typeof prompt
  readonly prefix: typeof prefix
  readonly 'p-tuning': typeof pTuning
} = { lora, prompt, prefix, 'p-tuning': pTuning }
