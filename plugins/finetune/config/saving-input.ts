/**
 * The keys of a run as a program writes them that are about evaluating, saving and stopping; the others are in `finetune-input.ts`. The comments are those of
 * `key-docs.ts`.
 */
import type { AdvisorName } from '../../advise/mod.ts'
import type { OneOrMore } from './input-forms.ts'
import type { NamedInput } from './named.ts'

/** When a run evaluates, saves and stops, and where the result goes. */
export interface SavingInput {
  /** `no`, `steps` or `epoch`; seldom needed beside the next two */
  readonly eval_strategy?: 'no' | 'steps' | 'epoch' | null | undefined
  /** steps between evaluations, or below 1 a part of all steps; 0: none */
  readonly eval_steps?: number | null | undefined
  /**
   * counted in the steps that are run: 4 with `max_steps: 8` and one epoch is every 2 steps. Neither set: at
   * the end of each epoch where there is something to evaluate on; 0: none
   */
  readonly evals_per_epoch?: number | null | undefined
  /** `no`, `steps` or `epoch` */
  readonly save_strategy?: 'no' | 'steps' | 'epoch' | null | undefined
  /** steps between checkpoints, or below 1 a part of all steps; 0: none */
  readonly save_steps?: number | null | undefined
  /** as `evals_per_epoch`. Neither set: at the end of each epoch; 0: only at the end */
  readonly saves_per_epoch?: number | null | undefined
  /** keep the newest checkpoints, so many; the best one stays. Default: `4` */
  readonly save_total_limit?: number | null | undefined
  /** save the weights of the best evaluation. Not set: with `early_stopping_patience` only */
  readonly load_best_model_at_end?: boolean | null | undefined
  /**
   * what an evaluation is the best by: `loss`, `perplexity`, or another number that evaluations have in
   * metrics.jsonl, with `eval_` or without. Default: `loss`
   */
  readonly metric_for_best_model?: string | null | undefined
  /** whether more of it is better. Not set: not of what ends in `loss`, nor of `perplexity`; else yes */
  readonly greater_is_better?: boolean | null | undefined
  /** stop after so many evaluations without a better one */
  readonly early_stopping_patience?: number | null | undefined
  /** stop when the loss stays above this */
  readonly loss_watchdog_threshold?: number | null | undefined
  /** for so many steps. Default: `3` */
  readonly loss_watchdog_patience?: number | null | undefined
  /**
   * who looks at the loss while it goes and says what is odd; nothing is changed by it: `true` (all), `false`
   * (none), or some of `learning_rate`, `curve`, `alerts`, `spikes` (advise). Default: `[learning_rate,
   * curve, alerts, spikes]`
   */
  readonly advise?: boolean | OneOrMore<AdvisorName> | null | undefined
  /** lines printed when the output is no terminal; `metrics.jsonl` has every step. Default: `1` */
  readonly logging_steps?: number | null | undefined
  /**
   * who watches the run besides metrics.jsonl and the terminal: names, or mappings with `name` and options.
   * Default: `[]`
   */
  readonly monitors?: OneOrMore<NamedInput> | null | undefined
  /** the adapter (or the model), `metrics.jsonl`, and `checkpoint-N` folders. Default: `./model-out` */
  readonly output_dir?: string | null | undefined
  /** a checkpoint's folder */
  readonly resume_from_checkpoint?: string | null | undefined
  /** go on from the newest checkpoint if there is one; `--resume` insists on one. Default: `false` */
  readonly auto_resume_from_checkpoints?: boolean | null | undefined
  /**
   * push the result to this repository of the hub (`org/name`, private, made when it is not there); needs
   * `HF_TOKEN`. A push that fails never ends the run
   */
  readonly hub_model_id?: string | null | undefined
  /**
   * `end`: at the end; `every_save`: also the weights of each checkpoint, which the run waits for;
   * `checkpoint`: besides, the newest checkpoint as `last-checkpoint`, to resume from; `all_checkpoints`:
   * every checkpoint as its folder. Default: `every_save`
   */
  readonly hub_strategy?: 'end' | 'every_save' | 'checkpoint' | 'all_checkpoints' | null | undefined
  /** a branch of the repository; made when it is not there */
  readonly hub_revision?: string | null | undefined
}
