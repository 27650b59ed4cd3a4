/**
 * How examples are found, read and ordered.
 */
import { ignored, type KeyFacts, refused } from './key-fact.ts'

const NO_LOADER = 'there is no loader process to tune'
const PREPARED = 'datasets that are prepared elsewhere'
const SHARDS = 'shards of a dataset'
const ORDER = 'another order of the examples'
const TEMPLATE = 'arguments of the chat template'
const SYSTEM = 'a default system message'

export const DATA_KEYS: KeyFacts = {
  ignored: {
    ...ignored(NO_LOADER, [
      'dataset_keep_in_memory',
      'dataloader_pin_memory',
      'dataloader_num_workers',
      'dataloader_prefetch_factor',
      'remove_unused_columns',
      'accelerator_config',
      'preprocess_iterable',
      'pretrain_multipack_buffer_size',
    ]),
  },
  refused: {
    ...refused(PREPARED, [
      'pretraining_sample_concatenation',
      'push_dataset_to_hub',
      'train_on_packed_inputs',
      'max_packed_sequence_len',
    ]),
    ...refused(SHARDS, ['dataset_shard_num', 'dataset_shard_idx', 'num_dataset_shards_to_save']),
    ...refused(ORDER, ['shuffle_before_merging_datasets']),
    ...refused(TEMPLATE, ['chat_template_kwargs']),
    ...refused(SYSTEM, ['default_system_message']),
  },
}
