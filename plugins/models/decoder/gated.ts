/**
 * The gate of an MLP by the name that config.json gives its activation: f(gate)·up.
 */
import { geglu, mul, relu, square, swiglu, type Tensor, TrituneError } from '../../../core/mod.ts'

/** f(gate)·up; same shapes. */
export type Gated = (gate: Tensor, up: Tensor) => Tensor

/** Throws E_UNSUPPORTED for an activation that is not there. `key`: where config.json says it. */
export function gatedActivation(name: string, key: string = 'hidden_act'): Gated {
  if (name === 'silu' || name === 'swish') return swiglu
  if (name === 'gelu') return (gate, up) => geglu(gate, up)
  if (name === 'gelu_pytorch_tanh' || name === 'gelu_new')
    return (gate, up) => geglu(gate, up, { approximate: 'tanh' })
  if (name === 'relu2') return reluSquaredGate
  throw new TrituneError('E_UNSUPPORTED', `config.json: ${key} "${name}" is not supported`, {
    remedy: 'supported: silu, gelu, gelu_pytorch_tanh, relu2',
  })
}

/** relu(gate)²·up (So et al. 2021, arXiv 2109.08668). */
function reluSquaredGate(gate: Tensor, up: Tensor): Tensor {
  return mul(square(relu(gate)), up)
}
