/**
 * The keys of preferences, rewards and distillation as a program writes them: the part of `FinetuneInput` that `preference-options.ts` checks.
 * Types only; the comments are those of `key-docs.ts`.
 */
import type { DpoLossName } from '../../preference/mod.ts'
import type { RlName } from './preference-options.ts'

/** Keys of training from preferences and from a larger model; null and leaving a key out are the same. */
export interface PreferenceInput {
  /**
   * training from preferences: `dpo`, `ipo`, `orpo`, `kto`, `simpo` or `cpo` (preferences.md); or by rewards:
   * `grpo` (grpo.md)
   */
  readonly rl?: RlName | null | undefined
  /** how far the model may go from the reference; small values let it go further. Not set: 0.1 */
  readonly rl_beta?: number | null | undefined
  /** the losses of `rl: dpo`: one or several of trl’s names. Not set: `[sigmoid]` */
  readonly dpo_loss_type?: readonly DpoLossName[] | null | undefined
  /** a weight for each of them. Not set: 1 */
  readonly dpo_loss_weights?: readonly number[] | null | undefined
  /** share of the pairs that may be the wrong way round */
  readonly dpo_label_smoothing?: number | null | undefined
  /** the reference is always computed once, before the first step, so either value gives the same numbers */
  readonly precompute_ref_log_probs?: boolean | null | undefined
  /** weight of the odds ratio of `rl: orpo`, another name of `rl_beta`. Not set: 0.1 */
  readonly orpo_alpha?: number | null | undefined
  /** by how much the better answer is to be ahead in `rl: simpo`. Not set: 0.5 */
  readonly simpo_gamma?: number | null | undefined
  /** weight of the negative log-likelihood of the better answers in `rl: simpo` and `cpo`. Not set: 1 */
  readonly cpo_alpha?: number | null | undefined
  /** weight of good answers in `rl: kto`. Not set: 1 */
  readonly kto_desirable_weight?: number | null | undefined
  /** weight of bad answers. Not set: 1 */
  readonly kto_undesirable_weight?: number | null | undefined
  /** train a model that scores answers, from pairs: it gets a head of one score */
  readonly reward_model?: boolean | null | undefined
  /** of a reward model: weight of what keeps its scores around 0; 0.01 is usual */
  readonly center_rewards_coefficient?: number | null | undefined
  /** scores of a reward model: 1 */
  readonly num_labels?: number | null | undefined
  /**
   * learn from a larger model: its folder, its .gguf file or its name on the hub; it has the tokenizer of
   * `base_model` (preferences.md)
   */
  readonly kd_teacher?: string | null | undefined
  /** what axolotl asks for distillation with; needs `kd_teacher` */
  readonly kd_trainer?: boolean | null | undefined
  /** by which the logits of both models are divided. Not set: 1 */
  readonly kd_temperature?: number | null | undefined
  /** weight of the divergence from the larger model. Not set: 0.5 */
  readonly kd_alpha?: number | null | undefined
  /** weight of the cross-entropy beside it. Not set: 0.5 */
  readonly kd_ce_alpha?: number | null | undefined
  /** 0: KL(teacher ‖ student), 1: the other way round, between them a mixture. Not set: 0 */
  readonly kd_beta?: number | null | undefined
}
