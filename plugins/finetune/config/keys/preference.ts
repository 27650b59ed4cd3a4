/**
 * Pairs of answers and rewards.
 */
import { ignored, type KeyFacts, refused } from './key-fact.ts'

const DATASETS = ['datasets', 'test_datasets']
const WITHOUT_IT = 'it only matters together with a key or plugin that is not there'
const PREFERENCE = 'preference and reinforcement learning'
const GYM = 'training in environments'

export const PREFERENCE_KEYS: KeyFacts = {
  ignored: {
    ...ignored(WITHOUT_IT, ['dpo_use_liger_kernel', 'max_prompt_len']),
    ...ignored(WITHOUT_IT, [
      'nemo_gym_dir',
      'nemo_gym_auto_clone',
      'nemo_gym_config_paths',
      'nemo_gym_head_port',
      'nemo_gym_server_timeout',
      'nemo_gym_verify_timeout',
      'nemo_gym_run_timeout',
      'nemo_gym_datasets',
      'nemo_gym_auto_start',
      'nemo_gym_model_name',
      'nemo_gym_multi_turn',
      'nemo_gym_max_turns',
    ]),
  },
  refused: {
    ...refused(PREFERENCE, [
      'vllm',
      'dpo_use_weighting',
      'dpo_use_logits_to_keep',
      'dpo_norm_loss',
      'dpo_padding_free',
      'dpo_generate_during_eval',
      'rpo_alpha',
      'ebft',
    ]),
    ...refused(GYM, ['nemo_gym_enabled']),
    process_reward_model: { what: PREFERENCE, covers: [...DATASETS, 'num_labels'] },
  },
}
