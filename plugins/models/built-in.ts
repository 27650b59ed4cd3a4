/**
 * The built-in models, by the names that configurations give them.
 */
import type { ModelDefinition } from '../../core/mod.ts'
import { bitnet } from './families/bitnet.ts'
import { cohere } from './families/cohere.ts'
import { cohere2 } from './families/cohere2.ts'
import { gemma } from './families/gemma.ts'
import { gemma2 } from './families/gemma2.ts'
import { gemma3, gemma3Text } from './families/gemma3.ts'
import { glm } from './families/glm.ts'
import { glm4 } from './families/glm4.ts'
import { gpt2 } from './families/gpt2.ts'
import { granite } from './families/granite.ts'
import { llama } from './families/llama.ts'
import { mistral } from './families/mistral.ts'
import { olmo2 } from './families/olmo2.ts'
import { phi3 } from './families/phi3.ts'
import { qwen2 } from './families/qwen2.ts'
import { qwen3 } from './families/qwen3.ts'
import { smollm3 } from './families/smollm3.ts'
import { stablelm } from './families/stablelm.ts'
import { tritter } from './families/tritter.ts'
import { MIXTURES } from './moe/mixtures.ts'

/** Hugging Face `model_type` of the built-in models. */
export type ModelType =
  | 'llama'
  | 'mistral'
  | 'qwen2'
  | 'qwen3'
  | 'gemma'
  | 'gemma2'
  | 'gemma3'
  | 'gemma3_text'
  | 'phi3'
  | 'olmo2'
  | 'granite'
  | 'smollm3'
  | 'glm'
  | 'glm4'
  | 'cohere'
  | 'cohere2'
  | 'stablelm'
  | 'gpt2'
  | 'bitnet'
  | 'tritter'
  | keyof typeof MIXTURES

/** The built-in models by Hugging Face `model_type`. */
export const MODELS: Readonly<Record<ModelType, ModelDefinition>> = {
  llama,
  mistral,
  qwen2,
  qwen3,
  gemma,
  gemma2,
  gemma3,
  gemma3_text: gemma3Text,
  phi3,
  olmo2,
  granite,
  smollm3,
  glm,
  glm4,
  cohere,
  cohere2,
  stablelm,
  gpt2,
  bitnet,
  tritter,
  ...MIXTURES,
}
