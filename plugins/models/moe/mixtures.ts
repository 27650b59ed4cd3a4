/**
 * The built-in mixtures of experts, by the names that configurations give them.
 */
import type { ModelDefinition } from '../../../core/mod.ts'
import { mixtral } from '../families/mixtral.ts'
import { qwen2Moe } from '../families/qwen2-moe.ts'
import { qwen3Moe } from '../families/qwen3-moe.ts'

/** By Hugging Face `model_type`. */
export const MIXTURES: Readonly<Record<'mixtral' | 'qwen2_moe' | 'qwen3_moe', ModelDefinition>> = {
  mixtral,
  qwen2_moe: qwen2Moe,
  qwen3_moe: qwen3Moe,
}
