/**
 * The keys of what is told of a run while it goes, as a program writes them: trackers, samples, histograms. Types only; the comments are those of `key-docs.ts`.
 */

/** To whom a run is told, and what besides its numbers; null and leaving a key out are the same. */
export interface TrackerInput {
  /** write event files for TensorBoard below `output_dir/tensorboard` (runs) */
  readonly use_tensorboard?: boolean | null | undefined
  /** tell the run to Weights & Biases; needs `WANDB_API_KEY`. A server that is away never ends the run */
  readonly use_wandb?: boolean | null | undefined
  /** the project; naming one asks for the tracker where there is a key */
  readonly wandb_project?: string | null | undefined
  /** user or team; not set: that of the key */
  readonly wandb_entity?: string | null | undefined
  /** name of the run; not set: that of `output_dir` */
  readonly wandb_name?: string | null | undefined
  /** id of the run; not set: `run_id` of run.json */
  readonly wandb_run_id?: string | null | undefined
  /** `online`; `offline` and `disabled` tell nothing */
  readonly wandb_mode?: 'online' | 'offline' | 'disabled' | null | undefined
  /** tell the run to an MLflow server */
  readonly use_mlflow?: boolean | null | undefined
  /** its address; not set: `MLFLOW_TRACKING_URI` */
  readonly mlflow_tracking_uri?: string | null | undefined
  /** the experiment, made when it is not there; naming one asks for the tracker where there is an address */
  readonly mlflow_experiment_name?: string | null | undefined
  /** name of the run; not set: that of `output_dir` */
  readonly mlflow_run_name?: string | null | undefined
  /**
   * at each evaluation the model goes on with some texts of the validation set, and what it writes is told.
   * Default: `false`
   */
  readonly generate_samples?: boolean | null | undefined
  /** how many. Default: `3` */
  readonly num_generation_samples?: number | null | undefined
  /** how long at most. Default: `50` */
  readonly generation_max_new_tokens?: number | null | undefined
  /** the part of each text that it is given. Default: `0.5` */
  readonly generation_prompt_ratio?: number | null | undefined
  /** `false`: the most likely token each time. Default: `true` */
  readonly generation_do_sample?: boolean | null | undefined
  /** of the sampling. Default: `0.7` */
  readonly generation_temperature?: number | null | undefined
  /** only the k most likely tokens */
  readonly generation_top_k?: number | null | undefined
  /** only the most likely tokens with this much probability */
  readonly generation_top_p?: number | null | undefined
  /**
   * steps between histograms of the trained weights and their gradients, in histograms.jsonl; not set: none
   */
  readonly histogram_steps?: number | null | undefined
}
