/**
 * The measures by name, and what each is: those of lm-evaluation-harness, and `token_perplexity`, which is the perplexity of a training run.
 */
import type { MeasureFacts } from './statistics.ts'

const PROPORTION: MeasureFacts = { isHigherBetter: true, isProportion: true, finish: (mean) => mean }
const PERPLEXITY: MeasureFacts = {
  isHigherBetter: false,
  isProportion: false,
  finish: (mean) => Math.exp(-mean),
}

/** Of a measure that `MEASURES` names. */
export const MEASURE_FACTS: Readonly<Record<string, MeasureFacts>> = {
  acc: PROPORTION,
  acc_norm: PROPORTION,
  acc_bytes: PROPORTION,
  exact_match: PROPORTION,
  perplexity: PERPLEXITY,
  token_perplexity: PERPLEXITY,
  word_perplexity: PERPLEXITY,
  byte_perplexity: PERPLEXITY,
  bits_per_byte: { ...PERPLEXITY, finish: (mean) => -mean / Math.LN2 },
}
