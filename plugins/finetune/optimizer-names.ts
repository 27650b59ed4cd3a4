/** The optimizers that `optimizer:` can name, and what each is here. */
import type { FinetuneOptions } from './finetune-options.ts'

export type OptimizerName =
  | 'adamw_torch'
  | 'adamw_torch_fused'
  | 'adamw'
  | 'paged_adamw_32bit'
  | 'adamw_8bit'
  | 'adamw_bnb_8bit'
  | 'paged_adamw_8bit'

/** Names of axolotl and transformers → what is trained with. */
export const OPTIMIZERS: Readonly<Record<OptimizerName, FinetuneOptions['optimizer']>> = {
  adamw_torch: 'adamw',
  adamw_torch_fused: 'adamw',
  adamw: 'adamw',
  paged_adamw_32bit: 'adamw',
  adamw_8bit: 'adamw_8bit',
  adamw_bnb_8bit: 'adamw_8bit',
  paged_adamw_8bit: 'adamw_8bit',
}
