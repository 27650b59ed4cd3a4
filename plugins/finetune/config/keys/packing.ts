/**
 * How rows are filled: there are no pads to set, and packing is first-fit-decreasing over all documents.
 */
import { ignored, type KeyFacts } from './key-fact.ts'

const NO_PADDING = 'batches are never padded'

export const PACKING_KEYS: KeyFacts = {
  ignored: {
    ...ignored(NO_PADDING, [
      'pad_to_sequence_len',
      'pad_to_multiple_of',
      'batch_flattening',
      'multipack_real_batches',
      'sample_packing_group_size',
      'sample_packing_bin_size',
      'sample_packing_mp_start_method',
      'sample_packing_eff_est',
      'total_num_tokens',
      'total_supervised_tokens',
    ]),
  },
  refused: {},
}
