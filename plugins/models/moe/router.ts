/**
 * The router of a mixture of experts: which experts a token gets with which weights, and how evenly the tokens of a batch are spread over them.
 */
import {
  add,
  affine,
  type AuxiliaryLoss,
  cast,
  concat,
  div,
  type FloatDType,
  forwardLayer,
  type Layer,
  mul,
  reshape,
  slice,
  softmax,
  sum,
  type Tensor,
  tensor,
} from '../../../core/mod.ts'
import { booleanField, type ConfigJson, numberField } from '../_config.ts'
import { chosenOf, type Routes, routesOf } from './routes.ts'

/** How the weights of the chosen experts come from the logits of all. */
export interface RouterTraits {
  readonly perToken: number
  /** `before`: softmax over all experts, then the largest. `after`: the largest, then softmax over these (gpt_oss). */
  readonly softmax: 'before' | 'after'
  /** With `before`: the weights of the chosen add up to 1. */
  readonly normalise: boolean
}

/** What a router says of a batch. */
export interface Routing {
  readonly routes: Routes
  /** (T, K) in the dtype of x. */
  readonly weights: Tensor
  /** (T, E) f32: the probability of each expert. */
  readonly probabilities: Tensor
}

/** x (T, C) → the experts of each row. The logits are widened first, so that bf16 makes no ties. */
export function route(
  router: Layer,
  x: Tensor,
  { perToken, softmax: order, normalise }: RouterTraits,
): Routing {
  const logits = cast(forwardLayer(router, x), 'f32')
  const probabilities = softmax(logits)
  const routes = routesOf(logits, perToken)
  const chosen = order === 'after' ? softmax(chosenOf(logits, routes)) : chosenOf(probabilities, routes)
  const weights =
    order === 'before' && normalise ? div(chosen, sum(chosen, { axis: 1, keepDims: true })) : chosen
  return { routes, weights: cast(weights, x.dtype as FloatDType), probabilities }
}

/**
 * What the balance of the experts is computed from: (2, E) f32, how many tokens each was chosen by and the sum of its probabilities, of all
 * blocks so far.
 */
export function addBalance(before: Tensor | undefined, { routes, probabilities }: Routing): Tensor {
  const { counts } = routes
  const shape = [1, counts.length]
  const chosen = tensor(Float32Array.from(counts), { shape, device: probabilities.device })
  const here = concat([chosen, reshape(sum(probabilities, { axis: 0 }), shape)])
  return before ? add(before, here) : here
}

/**
 * The load balancing loss of Switch Transformers (Fedus et al. 2021, arXiv 2101.03961, equations 4 to 6) over all blocks, as transformers
 * computes it: E·Σ (share of the tokens)·(mean probability). `rows`: tokens times blocks that have experts.
 */
export function balanceLoss(balance: Tensor, rows: number): Tensor {
  const [, experts] = balance.shape
  const product = mul(slice(balance, { end: 1 }), slice(balance, { start: 1 }))
  return affine(sum(product), { scale: experts / rows ** 2 })
}

/** The name of the loss where it is reported. */
export const BALANCE_LOSS = 'router_aux_loss'

/** The coefficient of the loss; null: config.json does not ask for it (`output_router_logits`). */
export function balanceCoefficient(config: ConfigJson, fallback: number): number | null {
  if (!booleanField(config, 'output_router_logits', false)) return null
  return numberField(config, 'router_aux_loss_coef', fallback)
}

/** For `HiddenOptions.auxiliary`. */
export function balanceOf(balance: Tensor, rows: number, coefficient: number): AuxiliaryLoss {
  return { loss: balanceLoss(balance, rows), coefficient }
}
