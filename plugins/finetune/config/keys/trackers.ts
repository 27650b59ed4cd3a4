/**
 * Services that a run is reported to.
 */
import { ignored, type KeyFacts } from './key-fact.ts'

const NO_TRACKER = 'this tracker is not there; metrics.jsonl in output_dir has every number'
const NO_FILES = 'files are not uploaded to trackers; hub_model_id pushes the result'

export const TRACKER_KEYS: KeyFacts = {
  ignored: {
    ...ignored(NO_FILES, ['wandb_log_model', 'hf_mlflow_log_artifacts', 'eval_table_size']),
    ...ignored(NO_TRACKER, [
      'use_comet',
      'comet_api_key',
      'comet_workspace',
      'comet_project_name',
      'comet_experiment_key',
      'comet_mode',
      'comet_online',
      'comet_experiment_config',
      'use_swanlab',
      'swanlab_project',
      'swanlab_experiment_name',
      'swanlab_description',
      'swanlab_mode',
      'swanlab_workspace',
      'swanlab_api_key',
      'swanlab_log_model',
      'swanlab_web_host',
      'swanlab_api_host',
      'swanlab_lark_webhook_url',
      'swanlab_lark_secret',
      'swanlab_log_completions',
      'swanlab_completion_log_interval',
      'swanlab_completion_max_buffer',
      'use_trackio',
      'trackio_project_name',
      'trackio_run_name',
      'trackio_space_id',
      'use_otel_metrics',
      'otel_metrics_host',
      'otel_metrics_port',
    ]),
  },
  refused: {},
}
