/**
 * What is printed, and what axolotl itself leaves aside.
 */
import { ignored, type KeyFacts } from './key-fact.ts'

const OUTPUT_ONLY = 'changes only what is printed or profiled'
const NOT_READ = 'axolotl does not read it either'

export const OUTPUT_KEYS: KeyFacts = {
  ignored: {
    ...ignored(OUTPUT_ONLY, [
      'strict',
      'debug',
      'include_tokens_per_second',
      'include_tkps',
      'profiler_steps',
      'profiler_steps_start',
      'axolotl_config_path',
      'hf_use_auth_token',
      'gradio_title',
      'gradio_share',
      'gradio_server_name',
      'gradio_server_port',
      'gradio_max_new_tokens',
      'gradio_temperature',
      'merge_method',
      'wandb_watch',
    ]),
    ...ignored(NOT_READ, [
      'eta_min',
      'adam_eps',
      'torch_dtype',
      'project_name',
      'base_model_ignore_patterns',
      'sample_packing_seq_len_multiplier',
      'test_value',
      'full_finetune',
    ]),
  },
  refused: {},
}
