/**
 * The MLP of a block: what may stand there, and the gated one that most families have.
 */
import { forwardLayer, slice, type Tensor } from '../../../core/mod.ts'
import { type ConfigJson, stringField } from '../_config.ts'
import type { WeightCollector } from '../_weights.ts'
import { type Gated, gatedActivation } from './gated.ts'
import { normsOf } from './norms.ts'
import type { Pass } from './pass.ts'
import type { DecoderSizes } from './sizes.ts'

/** x (T, C), normed → what is added to the stream, (T, C). */
export interface Mlp {
  forward(x: Tensor, pass: Pick<Pass, 'balance'>): Tensor
  /** It has experts, and adds to the balance of the pass. */
  readonly balanced?: boolean
}

/** Where in the model an MLP stands. */
export interface MlpPlace {
  /** Of its block: `model.layers.0`. */
  readonly block: string
  readonly layer: number
  readonly sizes: DecoderSizes
  /** Of norms. */
  readonly eps: number
}

/** Loads the weights of an MLP and says what it computes with them. */
export type LoadMlp = (weights: WeightCollector, place: MlpPlace) => Mlp

export interface GatedMlpOptions {
  readonly bias?: boolean
  /** RMSNorm before the last linear layer (bitnet). */
  readonly subNorm?: boolean
  /** f(gate)·up; default: by `hidden_act` of config.json, and silu where that is not said. */
  readonly activation?: Gated
}

/** down(f(gate(x))·up(x)) with `gate_proj`, `up_proj` and `down_proj`. */
export function gatedMlp(config: ConfigJson, options: GatedMlpOptions = {}): LoadMlp {
  const { bias, subNorm = false } = options
  const gated = activationOf(config, options)
  return (weights, { block, sizes: { hidden, mlp }, eps }) => {
    const path = `${block}.mlp`
    const gate = weights.layer(`${path}.gate_proj`, hidden, mlp, { bias })
    const up = weights.layer(`${path}.up_proj`, hidden, mlp, { bias })
    const norms = normsOf('rms', eps)
    const norm = subNorm ? norms.load(weights, `${path}.ffn_sub_norm`, mlp) : null
    const down = weights.layer(`${path}.down_proj`, mlp, hidden, { bias })
    return {
      forward(x) {
        const inner = gated(forwardLayer(gate, x), forwardLayer(up, x))
        return forwardLayer(down, norm ? norms.apply(norm, inner) : inner)
      },
    }
  }
}

/** The same with gate and up out of one layer, `gate_up_proj`, one after the other (phi3, glm). */
export function fusedGatedMlp(config: ConfigJson, options: GatedMlpOptions = {}): LoadMlp {
  const { bias } = options
  const gated = activationOf(config, options)
  return (weights, { block, sizes: { hidden, mlp } }) => {
    const both = weights.layer(`${block}.mlp.gate_up_proj`, hidden, 2 * mlp, { bias })
    const down = weights.layer(`${block}.mlp.down_proj`, mlp, hidden, { bias })
    return {
      forward(x) {
        const all = forwardLayer(both, x)
        const part = (start: number): Tensor => slice(all, { axis: 1, start, end: start + mlp })
        return forwardLayer(down, gated(part(0), part(mlp)))
      },
    }
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function activationOf(config: ConfigJson, { activation }: GatedMlpOptions): Gated {
  return activation ?? gatedActivation(stringField(config, 'hidden_act', 'silu'))
}
