/**
 * Ways to train that are not there: which weights, by which optimizer, after which schedule, on which loss.
 */
import { ignored, type KeyFacts, refused } from './key-fact.ts'

const WITHOUT_IT = 'it only matters together with a key or plugin that is not there'
const WITH_STATE = 'checkpoints always hold the optimizer too, so that a run can be resumed'
const LAYERS = 'layer replication'
const RELORA = 'ReLoRA'
const PART = 'training part of the parameters'
const OPTIMIZER = 'this way of setting the optimizer'
const SCHEDULE = 'this learning-rate schedule'
const DIFFUSION = 'diffusion language models'
const TRAINER = 'a trainer of one’s own'
const FIRST = 'a checkpoint after the first step'
const REQUEST = 'checkpoints on request'
const MORA = 'MoRA'
const REMOTE = 'training on a service'

export const TRAINING_KEYS: KeyFacts = {
  ignored: {
    ...ignored(WITHOUT_IT, [
      'grokfast_alpha',
      'grokfast_lamb',
      'kd_temperature_min',
      'kd_normalize_topk',
      'kd_online_server_base_url',
      'kd_online_topk',
      'kd_online_server',
      'kd_online_timeout',
      'qgalore_rank',
      'qgalore_update_proj_gap',
      'qgalore_scale',
      'qgalore_proj_type',
      'qgalore_proj_quant',
      'qgalore_proj_bits',
      'qgalore_proj_group_size',
      'qgalore_cos_threshold',
      'qgalore_gamma_proj',
      'qgalore_queue_size',
      'spectrum_model_name',
      'lisa_layers_attribute',
      'relora_prune_method',
      'use_mora',
      'mora_type',
    ]),
    ...ignored(WITH_STATE, ['save_only_model']),
  },
  refused: {
    ...refused(LAYERS, ['peft_layer_replication']),
    ...refused(RELORA, [
      'relora',
      'relora_steps',
      'relora_warmup_steps',
      'relora_anneal_steps',
      'relora_prune_ratio',
      'relora_cpu_offload',
      'jagged_restart_steps',
      'jagged_restart_warmup_steps',
      'jagged_restart_anneal_steps',
    ]),
    ...refused(PART, ['spectrum_top_fraction']),
    ...refused(OPTIMIZER, [
      'optim_target_modules',
      'adam_epsilon2',
      'adam_beta3',
      'auto_find_batch_size',
      'dion_lr',
      'dion_momentum',
      'dion_rank_fraction',
      'dion_rank_multiple_of',
      'label_smoothing',
    ]),
    ...refused(SCHEDULE, ['lr_div_factor']),
    ...refused(FIRST, ['save_first_step']),
    ...refused(REQUEST, ['dynamic_checkpoint']),
    ...refused(DIFFUSION, ['diffusion']),
    ...refused(TRAINER, ['trainer_cls']),
    ...refused(MORA, ['mora']),
    ...refused(REMOTE, ['hatchery']),
  },
}
