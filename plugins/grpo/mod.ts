/**
 * Training by rewards: GRPO and its variants. See README.md.
 *
 * @module
 */
export { type Advantages, advantagesOf } from './advantages.ts'
export { type Completion, completePrompts, type CompletionSettings } from './complete-prompts.ts'
export {
  type GrpoLoss,
  type GrpoOptions,
  grpoOptions,
  type NamedReward,
  type RewardScale,
} from './options.ts'
export { grpoLoss, type GrpoLossResult, type StepSizes, type TokenNumbers, tokenWeight } from './loss.ts'
export { createGrpoObjective } from './objective.ts'
export { promptRecords } from './prompt-records.ts'
export { type RolloutNumbers, rolloutExample, rolloutNumbers } from './rollout-example.ts'
export { createRollouts, type RolloutRun, type Rollouts, type RolloutWindow } from './rollouts.ts'
export { BUILT_IN_REWARDS } from './rewards/built-in.ts'
export { callRewards, type RunReward } from './rewards/call-rewards.ts'
export { loadRewards, type RewardSources } from './rewards/load-rewards.ts'
export type { Reward, RewardContext, RewardDefinition, Rewards } from './rewards/reward.ts'
export { type SortedTrl, sortTrl } from './trl-keys.ts'
