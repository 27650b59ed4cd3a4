/**
 * Evaluations besides the loss on kept examples.
 */
import { ignored, type KeyFacts, refused } from './key-fact.ts'

const SAMPLES_OFF = 'it only matters to sample generation, which is off'
const WITHOUT_IT = 'it only matters together with a key or plugin that is not there'
const EVALUATION = 'this kind of evaluation'
const LENGTH = 'another sequence length for evaluation'
const HARNESS = 'lm-evaluation-harness after training'

/** Each evaluation tells the perplexity. */
const PERPLEXITY = { eval_causal_lm_metrics: ['perplexity'] }

export const EVALUATION_KEYS: KeyFacts = {
  ignored: {
    ...ignored(SAMPLES_OFF, [
      'eval_max_new_tokens',
      'num_generation_samples',
      'generation_max_new_tokens',
      'generation_do_sample',
      'generation_prompt_ratio',
      'generation_temperature',
      'generation_top_k',
      'generation_top_p',
    ]),
    ...ignored(WITHOUT_IT, ['lm_eval_batch_size', 'lm_eval_post_train', 'lm_eval_model']),
  },
  refused: {
    ...refused(EVALUATION, [
      'do_bench_eval',
      'bench_dataset',
      'bench_split',
      'generate_samples',
      'greater_is_better',
    ]),
    ...refused(LENGTH, ['eval_sequence_len']),
    ...refused(HARNESS, ['lm_eval_tasks']),
    metric_for_best_model: { what: EVALUATION, harmless: ['eval_loss', 'loss'] },
    do_causal_lm_eval: { what: EVALUATION, onlyWith: PERPLEXITY },
    eval_causal_lm_metrics: { what: EVALUATION, onlyWith: PERPLEXITY },
  },
}
