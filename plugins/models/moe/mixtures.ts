/**
 * The built-in mixtures of experts, by the names that configurations give them.
 */
import type { ModelDefinition } from '../../../core/mod.ts'
import { gptOss } from '../families/gpt-oss.ts'
import { mixtral } from '../families/mixtral.ts'
import { qwen2Moe } from '../families/qwen2-moe.ts'
import { qwen3Moe } from '../families/qwen3-moe.ts'

/** By Hugging Face `model_type`. */
export const MIXTURES: Readonly<Record<'gpt_oss' | 'mixtral' | 'qwen2_moe' | 'qwen3_moe', ModelDefinition>> =
  {
    gpt_oss: gptOss,
    mixtral,
    qwen2_moe: qwen2Moe,
    qwen3_moe: qwen3Moe,
  }
