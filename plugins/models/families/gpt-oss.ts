/**
 * gpt_oss: gpt-oss-20b and -120b (OpenAI 2025, arXiv 2508.10925): every MLP a mixture, a sink for each head, windows on every other block, and
 * biases everywhere.
 *
 * The original checkpoints hold the experts in MXFP4; they are unpacked as they are read.
 */
import { forwardLayer, type ModelDefinition, type Layer } from '../../../core/mod.ts'
import { booleanField, type ConfigJson, integerField, numberField } from '../_config.ts'
import type { WeightCollector } from '../_weights.ts'
import { createDecoder } from '../decoder/decoder.ts'
import { slidingLayers } from '../decoder/layer-types.ts'
import { clampedGate, type ClampedGateOptions } from '../moe/clamped-gate.ts'
import { splitExperts } from '../moe/fused-experts.ts'
import { balanceCoefficient } from '../moe/router.ts'
import { type Expert, type ExpertSizes, loadRouter, sparseMlp } from '../moe/sparse-mlp.ts'

/** Where transformers' GptOssConfig differs from the defaults of others. */
const DEFAULTS = {
  head_dim: 64,
  rms_norm_eps: 1e-5,
  rope_theta: 150000,
  max_position_embeddings: 131072,
} as const
const ROPE = {
  rope_type: 'yarn',
  factor: 32,
  beta_fast: 32,
  beta_slow: 1,
  truncate: false,
  original_max_position_embeddings: 4096,
} as const

export const gptOss: ModelDefinition = {
  name: 'gpt_oss',
  create(given, source) {
    const rope = given.rope_parameters ?? given.rope_scaling ?? null
    const config: ConfigJson = { ...DEFAULTS, ...given, ...(rope === null ? { rope_parameters: ROPE } : {}) }
    const bias = booleanField(config, 'attention_bias', true)
    const hidden = integerField(config, 'hidden_size')
    const inner = integerField(config, 'intermediate_size')
    const count = integerField(config, 'num_local_experts', 128)
    const perToken = integerField(config, 'num_experts_per_tok', 4)
    const gate = {
      alpha: numberField(config, 'swiglu_alpha', 1.702),
      limit: numberField(config, 'swiglu_limit', 7),
    }
    using split = splitExperts(source, count)
    return createDecoder(config, split, {
      type: 'gpt_oss',
      architecture: 'GptOssForCausalLM',
      qkvBias: bias,
      outputBias: bias,
      sinks: true,
      window: windowOf(config),
      mlp(weights, { block }) {
        const path = `${block}.mlp`
        const router = loadRouter(weights, source, `${path}.router`, {
          hidden,
          experts: count,
          perToken,
          bias: true,
        })
        const experts = loadExperts(weights, `${path}.experts`, { count, perToken, hidden, inner, gate })
        return sparseMlp(router, experts, { perToken, softmax: 'after', normalise: false })
      },
      balance: balanceCoefficient(config, 0.001),
    })
  },
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** Without `layer_types` every other block slides, the first one too. */
function windowOf(config: ConfigJson): (layer: number) => number {
  if (config.sliding_window === null) return () => 0
  const window = integerField(config, 'sliding_window', 128)
  const slides = slidingLayers(config, { pattern: 2 })
  return (layer) => (slides(layer) ? window : 0)
}

interface GatedSizes extends ExpertSizes {
  readonly gate: ClampedGateOptions
}

/** All of one layer, then all of the next, as the checkpoint has them. */
function loadExperts(
  weights: WeightCollector,
  path: string,
  { count, perToken, hidden, inner, gate }: GatedSizes,
): Expert[] {
  const layers = (name: string, from: number, to: number): Layer[] =>
    Array.from({ length: count }, (_, i) =>
      weights.layer(`${path}.${i}.${name}`, from, to, {
        bias: true,
        fused: { name: `${path}.${name}`, index: i, count },
      }),
    )
  const both = layers('gate_up_proj', hidden, 2 * inner)
  const down = layers('down_proj', inner, hidden)
  weights.experts(
    `${path}.gate_up_proj`,
    both.map((one) => [one]),
    perToken,
  )
  weights.experts(
    `${path}.down_proj`,
    down.map((one) => [one]),
    perToken,
  )
  return both.map((layer, i) => ({
    forward: (x) => forwardLayer(down[i], clampedGate(forwardLayer(layer, x), gate)),
  }))
}
