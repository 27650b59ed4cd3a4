/** The optimizers that are built in, and what each is here; another name may be that of a plugin's. */

/** Names of optimizers, as axolotl and transformers write them. */
export type OptimizerName =
  | 'adamw_torch'
  | 'adamw_torch_fused'
  | 'adamw'
  | 'paged_adamw_32bit'
  | 'adamw_8bit'
  | 'adamw_bnb_8bit'
  | 'paged_adamw_8bit'

const NAMES: Readonly<Record<OptimizerName, 'adamw' | 'adamw_8bit'>> = {
  adamw_torch: 'adamw',
  adamw_torch_fused: 'adamw',
  adamw: 'adamw',
  paged_adamw_32bit: 'adamw',
  adamw_8bit: 'adamw_8bit',
  adamw_bnb_8bit: 'adamw_8bit',
  paged_adamw_8bit: 'adamw_8bit',
}

/** Name → what is trained with. */
export const OPTIMIZERS: Readonly<Record<string, 'adamw' | 'adamw_8bit'>> = NAMES
