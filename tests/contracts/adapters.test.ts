/**
 * The built-in adapter and those of docs/examples keep the contract of adapters.
 */
import { describe, test } from 'bun:test'
import { embeddingDelta } from '../../docs/examples/embedding-delta.ts'
import { keyValuePrefix } from '../../docs/examples/key-value-prefix.ts'
import { lowRank } from '../../docs/examples/low-rank.ts'
import { promptTokens } from '../../docs/examples/prompt-tokens.ts'
import { reflection } from '../../docs/examples/reflection.ts'
import { sharedBasis } from '../../docs/examples/shared-basis.ts'
import { vectorScale } from '../../docs/examples/vector-scale.ts'
import { lora, prefix, prompt, pTuning } from '../../plugins/peft/mod.ts'
import { adapterContract, type ContractCheck } from '../../testing/mod.ts'

const SUITES: Readonly<Record<string, readonly ContractCheck[]>> = {
  lora: adapterContract(lora, { options: { rank: 3 }, wrongOptions: [{ rank: 0 }, { alpha: 'many' }] }),
  'lora with rslora, on the head': adapterContract(lora, {
    options: { rank: 4, alpha: 2, rsLora: true },
    targetModules: ['lm_head', 'gate_proj'],
  }),
  'vector-scale': adapterContract(vectorScale, { wrongOptions: [{ init: 'many' }] }),
  'low-rank': adapterContract(lowRank, { wrongOptions: [{ rank: 0 }] }),
  reflection: adapterContract(reflection),
  'shared-basis': adapterContract(sharedBasis, { wrongOptions: [{ keep: 2 }] }),
  'embedding-delta': adapterContract(embeddingDelta),
  'prompt-tokens': adapterContract(promptTokens),
  prompt: adapterContract(prompt, {
    options: { num_virtual_tokens: 3 },
    wrongOptions: [{ num_virtual_tokens: 0 }, { prompt_tuning_init: 'WORDS' }],
  }),
  prefix: adapterContract(prefix, { wrongOptions: [{ init_weights: 'one' }] }),
  'prefix with a projection': adapterContract(prefix, {
    options: { num_virtual_tokens: 2, prefix_projection: true, encoder_hidden_size: 5 },
  }),
  'p-tuning': adapterContract(pTuning, {
    options: { num_virtual_tokens: 3 },
    wrongOptions: [{ encoder_dropout: 1 }],
  }),
  'p-tuning with an LSTM': adapterContract(pTuning, {
    options: { num_virtual_tokens: 3, encoder_reparameterization_type: 'LSTM', encoder_dropout: 0.25 },
  }),
  'key-value-prefix': adapterContract(keyValuePrefix),
}

describe.each(Object.entries(SUITES))('%s', (_name, checks) => {
  for (const { name, run } of checks) test(name, run)
})
