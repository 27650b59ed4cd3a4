/**
 * The built-in models, by the names that configurations give them.
 */
import type { ModelDefinition } from '../../core/mod.ts'
import { bitnet } from './bitnet.ts'
import { gpt2 } from './gpt2.ts'
import { llama } from './llama.ts'
import { mistral } from './mistral.ts'
import { qwen2 } from './qwen2.ts'
import { qwen3 } from './qwen3.ts'
import { tritter } from './tritter.ts'

/** The built-in models by Hugging Face `model_type`. */
export const MODELS: Readonly<
  Record<'llama' | 'mistral' | 'qwen2' | 'qwen3' | 'gpt2' | 'bitnet' | 'tritter', ModelDefinition>
> = {
  llama,
  mistral,
  qwen2,
  qwen3,
  gpt2,
  bitnet,
  tritter,
}
