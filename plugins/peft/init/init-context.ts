/**
 * What every start of a LoRA is given.
 */
import type { Random } from '../../../core/mod.ts'

export interface InitContext {
  readonly random: Random
  /** s of s·B·A. */
  readonly scale: number
}
