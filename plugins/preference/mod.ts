/**
 * Training from preferences: DPO and its family, ORPO, KTO, CPO and SimPO; reward models; distillation from a larger model. See README.md.
 *
 * @module
 */
export { cpo, type CpoOptions } from './losses/cpo.ts'
export { distillation, type DistillationOptions, expectSameVocabulary } from './losses/distillation.ts'
export { dpo, type DpoOptions } from './losses/dpo.ts'
export { DPO_LOSSES, type DpoLossName, LATER_DPO_LOSSES } from './losses/dpo-losses.ts'
export { kto, type KtoOptions } from './losses/kto.ts'
export { orpo, type OrpoOptions } from './losses/orpo.ts'
export { reward, type RewardOptions } from './losses/reward.ts'
export { PREFERENCE_TYPES } from './types/preference-types.ts'
export { preference, type PreferenceObjective } from './preference.ts'
