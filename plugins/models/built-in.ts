/**
 * The built-in models, by the names that configurations give them.
 */
import type { ModelDefinition } from '../../core/mod.ts'
import { bitnet } from './bitnet.ts'
import { gpt2 } from './gpt2.ts'
import { llama } from './llama.ts'
import { mistral } from './mistral.ts'
import { mixtral } from './mixtral.ts'
import { qwen2Moe } from './qwen2-moe.ts'
import { qwen2 } from './qwen2.ts'
import { qwen3Moe } from './qwen3-moe.ts'
import { qwen3 } from './qwen3.ts'
import { tritter } from './tritter.ts'

/** The built-in models by Hugging Face `model_type`. */
export const MODELS: Readonly<
  Record<
    | 'llama'
    | 'mistral'
    | 'qwen2'
    | 'qwen3'
    | 'gpt2'
    | 'bitnet'
    | 'tritter'
    | 'mixtral'
    | 'qwen2_moe'
    | 'qwen3_moe',
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
  mixtral,
  qwen2_moe: qwen2Moe,
  qwen3_moe: qwen3Moe,
}
