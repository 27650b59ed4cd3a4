/**
 * Evaluations besides the loss on kept examples.
 */
import { ignored, type KeyFacts, refused } from './key-fact.ts'

const TABLE = 'it only matters to tables of wandb, which are not sent; generate_samples tells texts'
const WITHOUT_IT = 'it only matters together with a key or plugin that is not there'
const EVALUATION = 'this kind of evaluation'
const LENGTH = 'another sequence length for evaluation'
const HARNESS = 'lm-evaluation-harness after training'

/** Each evaluation tells the perplexity. */
const PERPLEXITY = { eval_causal_lm_metrics: ['perplexity'] }

export const EVALUATION_KEYS: KeyFacts = {
  ignored: {
    ...ignored(TABLE, ['eval_max_new_tokens']),
    ...ignored(WITHOUT_IT, ['lm_eval_batch_size', 'lm_eval_post_train', 'lm_eval_model']),
  },
  refused: {
    ...refused(EVALUATION, ['do_bench_eval', 'bench_dataset', 'bench_split']),
    ...refused(LENGTH, ['eval_sequence_len']),
    ...refused(HARNESS, ['lm_eval_tasks']),
    do_causal_lm_eval: { what: EVALUATION, onlyWith: PERPLEXITY },
    eval_causal_lm_metrics: { what: EVALUATION, onlyWith: PERPLEXITY },
  },
}
