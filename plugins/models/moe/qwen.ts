/**
 * What the mixtures of qwen2_moe and qwen3_moe share: experts of a size of their own, and blocks without any.
 */
import type { Tensor, WeightSource } from '../../../core/mod.ts'
import { booleanField, type ConfigJson, integerField, stringField } from '../_config.ts'
import type { DecoderTraits } from '../decoder/decoder.ts'
import { gatedActivation } from '../decoder/gated.ts'
import { gatedMlp } from '../decoder/mlp.ts'
import { gatedExperts, loadRouter, sparseMlp } from './sparse-mlp.ts'
import { balanceCoefficient } from './router.ts'
import type { WeightCollector } from '../_weights.ts'

/** What is added for every token of a block besides its experts: its weights are under `path`. */
export type LoadShared = (weights: WeightCollector, path: string) => (x: Tensor) => Tensor

/** The traits of such a mixture, with transformers' defaults of the family. */
export function qwenMoe(
  config: ConfigJson,
  source: WeightSource,
  {
    perToken: usual,
    inner: usualInner,
    shared,
  }: { perToken: number; inner: number; shared: LoadShared | null },
): Pick<DecoderTraits, 'mlp' | 'balance'> {
  const hidden = integerField(config, 'hidden_size')
  // transformers 5 writes the one, the original files have the other.
  const key = config['num_experts'] == null ? 'num_local_experts' : 'num_experts'
  const count = integerField(config, key)
  const perToken = integerField(config, 'num_experts_per_tok', usual)
  const sizes = { count, perToken, hidden, inner: integerField(config, 'moe_intermediate_size', usualInner) }
  const normalise = booleanField(config, 'norm_topk_prob', false)
  const activation = gatedActivation(stringField(config, 'hidden_act', 'silu'))
  const step = integerField(config, 'decoder_sparse_step', 1)
  const dense: unknown = config['mlp_only_layers']
  const isDense = (layer: number): boolean =>
    (layer + 1) % step !== 0 || (Array.isArray(dense) && dense.includes(layer))
  return {
    mlp(weights, place) {
      const { block, layer } = place
      if (isDense(layer)) return gatedMlp(config)(weights, place)
      const path = `${block}.mlp`
      const router = loadRouter(weights, source, `${path}.gate`, { hidden, experts: count, perToken })
      const experts = gatedExperts(weights, `${path}.experts`, sizes, NAMES, activation)
      const added = shared?.(weights, path) ?? null
      return sparseMlp(router, experts, { perToken, softmax: 'before', normalise }, added)
    },
    balance: balanceCoefficient(config, 0.001),
  }
}

export const NAMES = { gate: 'gate_proj', up: 'up_proj', down: 'down_proj' } as const
