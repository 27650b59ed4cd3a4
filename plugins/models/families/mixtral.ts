/**
 * mixtral: Mistral's blocks with eight experts in the place of the MLP, of which a token gets two (Jiang et al. 2024, arXiv 2401.04088).
 */
import type { ModelDefinition } from '../../../core/mod.ts'
import { integerField, stringField } from '../_config.ts'
import { createDecoder } from '../decoder/decoder.ts'
import { gatedActivation } from '../decoder/gated.ts'
import { gatedExperts, loadRouter, sparseMlp } from '../moe/sparse-mlp.ts'
import { balanceCoefficient } from '../moe/router.ts'

export const mixtral: ModelDefinition = {
  name: 'mixtral',
  create(config, source) {
    const window = config.sliding_window == null ? 0 : integerField(config, 'sliding_window')
    const hidden = integerField(config, 'hidden_size')
    const count = integerField(config, 'num_local_experts', 8)
    const perToken = integerField(config, 'num_experts_per_tok', 2)
    const sizes = { count, perToken, hidden, inner: integerField(config, 'intermediate_size') }
    const activation = gatedActivation(stringField(config, 'hidden_act', 'silu'))
    return createDecoder({ rms_norm_eps: 1e-5, rope_theta: 1e6, ...config }, source, {
      type: 'mixtral',
      architecture: 'MixtralForCausalLM',
      window: () => window,
      mlp(weights, { block }) {
        const path = `${block}.block_sparse_moe`
        const router = loadRouter(weights, source, `${path}.gate`, { hidden, experts: count, perToken })
        const experts = gatedExperts(weights, `${path}.experts`, sizes, NAMES, activation)
        return sparseMlp(router, experts, { perToken, softmax: 'before', normalise: true })
      },
      balance: balanceCoefficient(config, 0.001),
    })
  },
}

const NAMES = { gate: 'w1', up: 'w3', down: 'w2' } as const
