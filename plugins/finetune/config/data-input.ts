/**
 * The keys of a run's file that say what is trained on, and in which form: a part of `FinetuneInput`.
 *
 * Types only; the comments are those of `key-docs.ts`; `bun scripts/key-docs.ts --write` puts them here.
 */
import type { ChatTemplateChoice, DatasetInput } from '../../data/mod.ts'

/** What a program writes of the data of a run. */
export interface DataInput {
  /** a list; the keys of an entry are below */
  readonly datasets: readonly DatasetInput[]
  /** entries to evaluate on, instead of `val_set_size`. Default: `[]` */
  readonly test_datasets?: readonly DatasetInput[] | null | undefined
  /**
   * examples kept for evaluation: a part below 1, or a number of them, from the end of the (shuffled)
   * examples. Default: `0`
   */
  readonly val_set_size?: number | null | undefined
  /**
   * the largest part of the records of an entry that may have nothing to learn; more stops the run. Default:
   * `0.1`
   */
  readonly max_skipped_share?: number | null | undefined
  /** shuffle the examples of all datasets once, by `seed`. Default: `true` */
  readonly shuffle_merged_datasets?: boolean | null | undefined
  /**
   * a folder in which tokens are kept for the next run; those of types of plugins only where the type has a
   * `recipe` (plugins.md)
   */
  readonly dataset_prepared_path?: string | null | undefined
  /**
   * threads that tokenise JSON Lines and Parquet; not set: one for each processor, where there is enough to
   * do; `0`: none. The examples are the same
   */
  readonly dataset_processes?: number | null | undefined
  /** of examples with the same tokens and labels the first one stays. Default: `false` */
  readonly dataset_exact_deduplication?: boolean | null | undefined
  /**
   * of examples that have so large a part of their runs of five tokens in common (such as `0.8`; estimated by
   * MinHash) the first one stays
   */
  readonly dataset_near_deduplication?: number | null | undefined
  /**
   * examples are read, tokenised and shuffled while the run goes on, in memory that does not grow with the
   * data; needs `max_steps`: guides/data.md. Default: `false`
   */
  readonly streaming?: boolean | null | undefined
  /** with `streaming`: how many examples are read ahead, shuffled and packed together. Default: `10000` */
  readonly streaming_multipack_buffer_size?: number | null | undefined
  /** the most tokens of an example, and the length of a packed row. Default: `512` */
  readonly sequence_len?: number | null | undefined
  /** what happens to longer examples: `drop`, `truncate` or `raise`. Default: `drop` */
  readonly excess_length_strategy?: 'drop' | 'truncate' | 'raise' | null | undefined
  /** shorter examples are dropped. Default: `2` */
  readonly min_sample_len?: number | null | undefined
  /** fill rows with whole documents; attention never crosses their borders. Default: `false` */
  readonly sample_packing?: boolean | null | undefined
  /** as `sample_packing` */
  readonly eval_sample_packing?: boolean | null | undefined
  /** learn the prompt too. Default: `false` */
  readonly train_on_inputs?: boolean | null | undefined
  /**
   * examples of like length meet in a step, ordered as transformers orders them: mixed, then sorted within
   * blocks of up to 50 steps, the longest first. Packed rows are all of one length and stay mixed. Default:
   * `false`
   */
  readonly group_by_length?: boolean | null | undefined
  /**
   * examples in the order of the data in every epoch; `shuffle_merged_datasets` mixes several datasets before
   * that. Default: `false`
   */
  readonly curriculum_sampling?: boolean | null | undefined
  /**
   * packed rows are filled one after the other, in the order of the examples, instead of
   * first-fit-decreasing: more rows. Default: `false`
   */
  readonly sample_packing_sequentially?: boolean | null | undefined
  /**
   * leave out of each epoch the examples (or packed rows) that do not fill a step; other ones in each epoch.
   * Default: `false`
   */
  readonly dataloader_drop_last?: boolean | null | undefined
  /**
   * the tokenizer's own (`tokenizer_default`), one by its name (plugins/data/README.md), that where the
   * tokenizer has none (`tokenizer_default_fallback_` and the name), or `jinja`
   */
  readonly chat_template?: ChatTemplateChoice | null | undefined
  /** the template itself, or the path of a file with it; parsed at the start, whatever the data */
  readonly chat_template_jinja?: string | null | undefined
  /** tokens that end a turn; not set: the EOS token */
  readonly eot_tokens?: readonly string[] | null | undefined
}
