/**
 * The objectives over preferences keep the contract of objectives: gradients are slopes, micro-batches add up, devices agree.
 */
import { describe, test } from 'bun:test'
import { createHost } from '../../../core/mod.ts'
import { DPO_LOSSES, preference } from '../../../plugins/preference/mod.ts'
import { type ContractCheck, objectiveContract, type ObjectiveContractOptions } from '../../../testing/mod.ts'

using host = createHost({ plugins: [preference] })

function suite(name: string, options: ObjectiveContractOptions = {}): readonly ContractCheck[] {
  return objectiveContract(host.find('objective', name), options)
}

const SUITES: Readonly<Record<string, readonly ContractCheck[]>> = {
  dpo: suite('dpo', {
    options: { loss_type: ['sigmoid', 'ipo', 'sft'], loss_weights: [1, 0.5, 2] },
    wrongOptions: [
      { beta: 0 },
      { loss_type: [] },
      { loss_weights: [1, 2] },
      { label_smoothing: 0.1, loss_type: ['hinge'], loss_weights: null },
      { label_smoothing: 0, loss_type: ['exo_pair'], loss_weights: null },
      { loss_type: ['aot'] },
    ],
  }),
  orpo: suite('orpo', { wrongOptions: [{ beta: -1 }] }),
  kto: suite('kto', { options: { desirable_weight: 2 }, wrongOptions: [{ beta: 0 }] }),
  cpo: suite('cpo', { wrongOptions: [{ label_smoothing: 0.1, loss_type: 'hinge' }, { cpo_alpha: -1 }] }),
  simpo: suite('cpo', { options: { loss_type: 'simpo', cpo_alpha: 0, beta: 2, label_smoothing: 0.1 } }),
  reward: suite('reward', {
    options: { center_rewards_coefficient: 0.1 },
    wrongOptions: [{ center_rewards_coefficient: -1 }],
    model: { architectures: ['LlamaForSequenceClassification'], num_labels: 1, tie_word_embeddings: false },
  }),
  distillation: suite('distillation', {
    options: { teacher: 'tiny', temperature: 2 },
    wrongOptions: [{ teacher: 5 }, { temperature: 0 }, { alpha: 0, ce_alpha: 0 }],
  }),
  ...Object.fromEntries(
    [1, 0.3].map((beta) => [
      `distillation, beta ${beta}`,
      suite('distillation', { options: { teacher: 'tiny', beta }, devices: [] }),
    ]),
  ),
  ...Object.fromEntries(
    (['hinge', 'ipo'] as const).map((loss_type) => [
      `cpo ${loss_type}`,
      suite('cpo', { options: { loss_type }, devices: [] }),
    ]),
  ),
  ...Object.fromEntries(
    DPO_LOSSES.map((loss) => [
      `dpo ${loss}`,
      suite('dpo', {
        options: {
          loss_type: [loss],
          label_smoothing: ['sigmoid', 'robust', 'exo_pair'].includes(loss) ? 0.1 : 0,
        },
        devices: [],
      }),
    ]),
  ),
}

for (const [name, checks] of Object.entries(SUITES))
  describe(name, () => {
    for (const { name: what, run } of checks) test(what, run)
  })
