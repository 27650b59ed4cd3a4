/**
 * The options of LoRA, as definitions have them; the keys of a run's file are plugins/finetune's.
 */
import { decimal, defineOptions, flag, integer, optional, type ValidatableConfig } from '../../core/mod.ts'
import * as v from 'valibot'

/** Options of one LoRA, in PEFT's words: the update is alpha / rank · B·A, with rsLoRA alpha / √rank · B·A. */
export interface LoraOptions {
  readonly rank: number
  readonly alpha: number
  /** Chance to drop an input of A, in [0, 1). */
  readonly dropout: number
  readonly rsLora: boolean
  /** true: A kaiming-uniform, B zero (PEFT's default); gaussian: A ~ N(0, 1/r²), B zero; false: both random (for tests). */
  readonly init: boolean | 'gaussian'
}

export const loraOptions: ValidatableConfig<LoraOptions> = defineOptions({
  rank: optional(integer({ min: 1 }), 8),
  alpha: optional(decimal({ above: 0 }), 8),
  dropout: optional(decimal({ min: 0, below: 1 }), 0),
  rsLora: optional(flag(), false),
  init: optional(v.union([v.boolean(), v.literal('gaussian')], 'expected true, false or gaussian'), true),
})
