/**
 * The MLP of a block as a mixture of experts: a router, and for each expert linear layers of its own.
 *
 * Every linear layer of every expert is a layer of the model under the name of its checkpoint, so adapters, packing and merging know them.
 */
import {
  add,
  concat,
  forwardLayer,
  type Layer,
  mul,
  sigmoid,
  slice,
  type Tensor,
  TrituneError,
  type WeightSource,
} from '../../../core/mod.ts'
import { gatherRows, type Routes, scatterRows } from './routes.ts'
import type { Gated } from '../decoder/gated.ts'
import { addBalance, route, type RouterTraits } from './router.ts'
import type { Mlp } from '../decoder/mlp.ts'
import type { WeightCollector } from '../_weights.ts'

/** One expert, from x (n, C) to (n, C). */
export interface Expert {
  forward(x: Tensor): Tensor
}

/** The MLP of a block as a mixture of `experts`. `shared` is added for every token. */
export function sparseMlp(
  router: Layer,
  experts: readonly Expert[],
  traits: RouterTraits,
  shared: ((x: Tensor) => Tensor) | null = null,
): Mlp {
  return {
    balanced: true,
    forward(x, { balance }) {
      const routing = route(router, x, traits)
      const { routes, weights } = routing
      if (balance) balance.sum = addBalance(balance.sum, routing)
      const y = gatherRows(throughExperts(experts, scatterRows(x, routes), routes), weights, routes)
      return shared ? add(y, shared(x)) : y
    },
  }
}

/** Names of the parts of an expert in a checkpoint. */
export interface GatedNames {
  readonly gate: string
  readonly up: string
  readonly down: string
}

/** The experts of a block: how many there are, how many a token gets, and their sizes. */
export interface ExpertSizes {
  readonly count: number
  readonly perToken: number
  readonly hidden: number
  readonly inner: number
}

/** The experts `${path}.0`, `${path}.1`, …: gated MLPs without biases, (C → inner → C). */
export function gatedExperts(
  weights: WeightCollector,
  path: string,
  { count, perToken, hidden, inner }: ExpertSizes,
  { gate, up, down }: GatedNames,
  activation: Gated,
): Expert[] {
  const parts = Array.from({ length: count }, (_, i) => ({
    gate: weights.layer(`${path}.${i}.${gate}`, hidden, inner),
    up: weights.layer(`${path}.${i}.${up}`, hidden, inner),
    down: weights.layer(`${path}.${i}.${down}`, inner, hidden),
  }))
  // As transformers names them, whatever the checkpoint does.
  const all = path.replace('.block_sparse_moe.', '.mlp.')
  weights.experts(
    `${all}.gate_up_proj`,
    parts.map((one) => [one.gate, one.up]),
    perToken,
  )
  weights.experts(
    `${all}.down_proj`,
    parts.map((one) => [one.down]),
    perToken,
  )
  return parts.map((one) => gatedExpert(one, activation))
}

/** down(activation(gate(x), up(x))) */
export function gatedExpert(
  { gate, up, down }: { readonly gate: Layer; readonly up: Layer; readonly down: Layer },
  activation: Gated,
): Expert {
  return {
    forward: (x) => forwardLayer(down, activation(forwardLayer(gate, x), forwardLayer(up, x))),
  }
}

/** σ(gate(x))·expert(x): the shared expert of qwen2_moe. */
export function sharedExpert(gate: Layer, expert: Expert): (x: Tensor) => Tensor {
  return (x) => mul(expert.forward(x), sigmoid(forwardLayer(gate, x)))
}

/**
 * The router `${path}` of `experts` experts, each of which the checkpoint must have. It is never packed: it is small, and decides much.
 * E_MODEL where config.json and checkpoint have another number of experts.
 */
export function loadRouter(
  weights: WeightCollector,
  source: WeightSource,
  path: string,
  {
    hidden,
    experts,
    perToken,
    bias = false,
  }: {
    readonly hidden: number
    readonly experts: number
    readonly perToken: number
    readonly bias?: boolean
  },
): Layer {
  if (perToken > experts)
    throw new TrituneError(
      'E_MODEL',
      `config.json: num_experts_per_tok is ${perToken}, there are ${experts} experts`,
      { place: source.place, remedy: 'check the file against the one of the original model' },
    )
  try {
    return weights.layer(path, hidden, experts, { bias, packed: false })
  } catch (cause) {
    if (!(cause instanceof TrituneError) || cause.code !== 'E_SHAPE') throw cause
    throw new TrituneError(
      'E_MODEL',
      `config.json says ${experts} experts, the router of the checkpoint has another number: ${cause.message}`,
      { place: source.place, remedy: 'check config.json against the one of the original model', cause },
    )
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** x (N, C), sorted by expert → (N, C); an expert without rows is passed over. */
function throughExperts(experts: readonly Expert[], x: Tensor, { counts }: Routes): Tensor {
  const parts: Tensor[] = []
  let start = 0
  for (const [i, expert] of experts.entries()) {
    const end = start + counts[i]
    if (end > start) parts.push(expert.forward(slice(x, { start, end })))
    start = end
  }
  return parts.length === 1 ? parts[0] : concat(parts)
}
