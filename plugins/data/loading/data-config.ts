/** What loading datasets takes of a configuration. */
import type { DatasetOptions } from '../options/dataset-options.ts'

/** The part of a fine-tuning configuration that concerns data. */
export interface DataConfig {
  readonly datasets: readonly DatasetOptions[]
  readonly test_datasets: readonly DatasetOptions[]
  readonly sequence_len: number
  readonly excess_length_strategy: 'drop' | 'truncate' | 'raise'
  readonly min_sample_len: number
  readonly train_on_inputs: boolean
  readonly eot_tokens: readonly string[] | null
  /** The largest part of the records of an entry that may have nothing to learn. */
  readonly max_skipped_share: number
  /** Below 1 a part of the examples, from 1 a number of them. */
  readonly val_set_size: number
  readonly shuffle_merged_datasets: boolean
  readonly dataset_prepared_path: string | null
  /** Threads that tokenise; null: as many as are worth it. */
  readonly dataset_processes: number | null
  readonly dataset_exact_deduplication: boolean
  /** Examples that are as like as this are one; null: only equal ones may be. */
  readonly dataset_near_deduplication: number | null
  /** The examples of a run are read while it goes on. */
  readonly streaming: boolean
  readonly streaming_multipack_buffer_size: number
  readonly seed: number
}
