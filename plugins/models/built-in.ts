/**
 * The built-in models, by the names that configurations give them.
 */
import type { ModelDefinition } from '../../core/mod.ts'
import { bitnet } from './families/bitnet.ts'
import { gpt2 } from './families/gpt2.ts'
import { llama } from './families/llama.ts'
import { mistral } from './families/mistral.ts'
import { qwen2 } from './families/qwen2.ts'
import { qwen3 } from './families/qwen3.ts'
import { tritter } from './families/tritter.ts'
import { MIXTURES } from './moe/mixtures.ts'

/** The built-in models by Hugging Face `model_type`. */
export const MODELS: Readonly<
  Record<
    'llama' | 'mistral' | 'qwen2' | 'qwen3' | 'gpt2' | 'bitnet' | 'tritter' | keyof typeof MIXTURES,
    ModelDefinition
  >
> = {
  llama,
  mistral,
  qwen2,
  qwen3,
  gpt2,
  bitnet,
  tritter,
  ...MIXTURES,
}
