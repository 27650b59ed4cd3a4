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
import { adalora, boft, dora, lora, oft, prefix, prompt, pTuning } from '../../plugins/peft/mod.ts'
import { adapterContract, type ContractCheck } from '../../testing/mod.ts'

const SUITES: Readonly<Record<string, readonly ContractCheck[]>> = {
  lora: adapterContract(lora, { options: { rank: 3 }, wrongOptions: [{ rank: 0 }, { alpha: 'many' }] }),
  'lora with rslora, on the head': adapterContract(lora, {
    options: { rank: 4, alpha: 2, rsLora: true },
    targetModules: ['lm_head', 'gate_proj'],
  }),
  'lora with a bias': adapterContract(lora, {
    options: { rank: 3, loraBias: true },
    wrongOptions: [
      { loraBias: true, dora: true },
      { loraBias: true, init: 'pissa' },
    ],
    merges: false,
  }),
  'lora on the embedding and the head': adapterContract(lora, {
    options: { rank: 4 },
    targetModules: ['embed_tokens', 'lm_head'],
  }),
  'lora, orthogonal': adapterContract(lora, { options: { rank: 4, init: 'orthogonal' } }),
  'lora, pissa': adapterContract(lora, {
    options: { rank: 3, init: 'pissa', rsLora: true },
    wrongOptions: [{ init: 'pissa_niter_0' }, { init: 'corda' }],
  }),
  'lora, pissa_niter_4': adapterContract(lora, { options: { rank: 3, init: 'pissa_niter_4' } }),
  'lora, olora': adapterContract(lora, { options: { rank: 3, alpha: 6, init: 'olora' } }),
  'lora, loftq': adapterContract(lora, {
    options: { rank: 4, init: 'loftq' },
    wrongOptions: [{ loftq: { bits: 2, iterations: 1 } }],
    packed: false,
    identity: false,
  }),
  dora: adapterContract(dora, {
    options: { rank: 3 },
    wrongOptions: [{ rank: 0 }, { alpha: Number.NaN }],
    straightThrough: ['lora_A.weight', 'lora_B.weight'],
  }),
  'dora, pissa, on the head': adapterContract(dora, {
    options: { rank: 4, init: 'pissa' },
    targetModules: ['lm_head', 'down_proj'],
    straightThrough: ['lora_A.weight', 'lora_B.weight'],
  }),
  'dora on the embedding': adapterContract(dora, {
    options: { rank: 4 },
    targetModules: ['embed_tokens'],
    straightThrough: ['lora_embedding_A', 'lora_embedding_B'],
  }),
  adalora: adapterContract(adalora, {
    options: { init_r: 4, target_r: 2, tinit: 1, tfinal: 3, total_step: 12 },
    wrongOptions: [{ total_step: 0 }, { total_step: 5, tfinal: 5 }, { target_r: 13, total_step: 5 }],
  }),
  oft: adapterContract(oft, {
    options: { oft_block_size: 4 },
    wrongOptions: [{ r: 2, oft_block_size: 4 }, { r: 0, oft_block_size: 0 }, { module_dropout: 1 }],
  }),
  'oft with exact rotations, on the head': adapterContract(oft, {
    options: { r: 3, use_cayley_neumann: false },
    targetModules: ['lm_head', 'up_proj'],
  }),
  'oft with one rotation for all blocks': adapterContract(oft, {
    options: { oft_block_size: 8, block_share: true, num_cayley_neumann_terms: 7 },
  }),
  boft: adapterContract(boft, {
    wrongOptions: [{ boft_block_num: 2, boft_block_size: 4 }, { boft_n_butterfly_factor: 0 }],
  }),
  'boft in stages': adapterContract(boft, {
    options: { boft_block_size: 2, boft_n_butterfly_factor: 3 },
    targetModules: ['q_proj', 'o_proj'],
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
