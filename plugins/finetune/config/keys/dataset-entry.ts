/**
 * Keys of an entry of `datasets`.
 */
import { ignored, type KeyFacts, refused } from './key-fact.ts'

const LOCAL = 'datasets are read from local files'
const SHARDS = 'shards of a dataset'
const KIND = 'this kind of dataset'

/** Keys of an entry of `datasets` that change nothing or are refused, with the reason. */
export const DATASET_KEYS: KeyFacts = {
  ignored: {
    ...ignored(LOCAL, ['trust_remote_code', 'preprocess_shards']),
  },
  refused: {
    ...refused(SHARDS, ['shards', 'shards_idx', 'num_shards']),
    ...refused(KIND, [
      'input_transform',
      'input_format',
      'conversation',
      'field_human',
      'field_model',
      'logprobs_field',
      'temperature',
      'step_separator',
      'max_completion_length',
      'train_on_last_step_only',
      'text_column',
      'skip',
      'overlap_len',
      'length',
      'sequence_length',
      'min_input_id',
      'max_input_id',
      'seed',
    ]),
  },
}
