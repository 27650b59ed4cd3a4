/**
 * A config.json as transformers takes it: where it expects a fraction, it refuses a whole number that is written without a point. JavaScript
 * does not tell them apart, so these fields are known by their names.
 */

/** Fields of transformers' configurations that are `float` and not `int`; in a quantization_config too. */
const FRACTIONS: readonly string[] = [
  'attn_logit_softcapping',
  'final_logit_softcapping',
  'initializer_range',
  'layer_norm_eps',
  'layer_norm_epsilon',
  'llm_int8_threshold',
  'logit_scale',
  'rms_norm_eps',
  'router_aux_loss_coef',
  'router_jitter_noise',
  'swiglu_alpha',
  'swiglu_limit',
]

const WHOLE = new RegExp(`^(\\s*"(?:${FRACTIONS.join('|')})": -?\\d+)(?=,?$)`, 'gm')

/** Its text, with a line feed at the end. */
export function configText(config: Readonly<Record<string, unknown>>): string {
  return `${JSON.stringify(config, null, 2).replace(WHOLE, '$1.0')}\n`
}
