/**
 * A new LoRA from several adapters that are on a model: PEFT's `add_weighted_adapter`.
 */
import {
  type Adapter,
  affine,
  cast,
  createRandom,
  denseWeight,
  type Layer,
  matmul,
  matrix,
  type Model,
  noGrad,
  siteOf,
  sub,
  tensor,
  tensorMap,
  tensorScope,
  transpose,
  TrituneError,
} from '../../../core/mod.ts'
import { invocation } from '../../../core/invocation.ts'
import { attachAdapter } from '../attach/attach.ts'
import { attachedAdapter, type AttachedAdapter, expectFree } from '../attach/attached-adapter.ts'
import { lora } from '../methods/lora.ts'
import { jointTargets } from './joint-targets.ts'
import { isPlainLora, type LoraParts, loraParts, rankOf } from './lora-parts.ts'
import { denseFactors, type Factors, productFactors } from './low-rank.ts'
import { type CombineOptions, type CombinePlan, combinePlan } from './options.ts'
import type { Mask } from './prune.ts'
import { combineVectors } from './vectors.ts'

/**
 * Puts a LoRA named `name` on the model that is made from others, each with a weight, which may be negative. It is off until
 * `activateAdapters(model, [name])`; the others stay as they are.
 *
 * Methods on the factors (linear, ties, dare_linear, dare_ties, magnitude_prune) want LoRAs of one rank; `cat` LoRAs; svd and those with
 * `_svd` take any adapter that can be merged. α of the result is its rank, so what is in the files is what is added to the weights.
 *
 * E_NAME for an adapter that there is not, E_CONFIG for options that cannot be, E_ADAPTER for ranks or weights that cannot be,
 * E_UNSUPPORTED for a method that cannot be done on one of the adapters. The model is then unchanged.
 *
 * @example
 * ```ts
 * import { activateAdapters } from 'tritune/core'
 * import { loadModel } from 'tritune/plugins/models'
 * import { addWeightedAdapter, loadAdapter, saveAdapter } from 'tritune/plugins/peft'
 *
 * using model = loadModel('my-model')
 * using _german = loadAdapter(model, 'german', { name: 'german' })
 * using _polite = loadAdapter(model, 'polite', { name: 'polite' })
 * using both = addWeightedAdapter(model, 'both', { german: 1, polite: 0.5 }, { method: 'ties', density: 0.5 })
 * activateAdapters(model, ['both'])
 * saveAdapter('german-and-polite', both, { baseModel: 'my-model' })
 * ```
 */
export function addWeightedAdapter(
  model: Model,
  name: string,
  weights: Readonly<Record<string, number>>,
  options: CombineOptions = {},
): AttachedAdapter {
  return combine(model, name, weights, { options, maskOf: seededMask })
}

/** As `addWeightedAdapter`; `maskOf` makes the random choices of DARE. */
export function combine(
  model: Model,
  name: string,
  weights: Readonly<Record<string, number>>,
  { options, maskOf }: { readonly options: CombineOptions; readonly maskOf: MaskOf },
): AttachedAdapter {
  expectFree(model, name)
  const parts = Object.entries(weights).map(([from, weight]): Part => {
    if (!Number.isFinite(weight))
      throw new TrituneError('E_ADAPTER', `the weight of adapter "${from}" is ${weight}`, {
        remedy: 'give a finite number',
      })
    return { weight, adapter: attachedAdapter(model, from) }
  })
  const [first] = parts
  if (!first)
    throw new TrituneError('E_ADAPTER', 'no adapters are named that could be combined', {
      remedy: 'give weights by the names of attached adapters: { first: 0.5, second: 0.5 }',
    })
  const plan = combinePlan(options, parts.length)
  for (const { adapter } of parts) expectCombinable(adapter, plan)
  const rank = jointRank(parts, plan)
  const attached = attachAdapter(
    model,
    lora,
    lora.options.validate({ rank, alpha: rank, dropout: dropoutOf(first.adapter) }),
    {
      name,
      ...jointTargets(
        model,
        parts.map(({ adapter }) => adapter),
      ),
    },
  )
  try {
    for (const [path, made] of attached.adapters) {
      const layer = model.layers.get(path)
      if (!layer || !isPlainLora(made)) continue
      const factors = factorsOf(layer, parts, plan, { rank, maskOf })
      made.a.set(factors.a)
      made.b.set(factors.b)
    }
  } catch (error) {
    attached[Symbol.dispose]()
    throw error
  }
  for (const { adapters } of model.layers.values())
    for (const slot of adapters) if (slot.name === name) slot.weight = 0
  return attached
}

/** Which numbers of one adapter DARE keeps; `place` tells tensors apart. */
export type MaskOf = (density: number, seed: number, place: string) => Mask

// ---- helpers ----------------------------------------------------------------------------------------------------

interface Part {
  readonly weight: number
  readonly adapter: AttachedAdapter
}

const seededMask: MaskOf = (density, seed, place) => {
  const random = createRandom(seed, siteOf(place))
  return () => random.float() < density
}

function expectCombinable(
  { name, kind, adapters, config }: AttachedAdapter,
  { method, isSvd }: CombinePlan,
): void {
  for (const field of ['modules_to_save', 'trainable_token_indices'])
    if (JSON.stringify(config[field] ?? []) !== '[]')
      throw new TrituneError('E_UNSUPPORTED', `adapter "${name}" has ${field}, which cannot be combined`, {
        remedy: ofItsOwn(),
      })
  const table = [...adapters].find(([, one]) => hasOwnTable(one))
  if (table)
    throw new TrituneError(
      'E_UNSUPPORTED',
      `adapter "${name}" has a table of its own for ${table[0]}, which cannot be combined`,
      { remedy: ofItsOwn() },
    )
  const all = [...adapters.values()]
  if (all.length > 0 && (isSvd ? all.every((one) => one.merge && !one.mergeBias) : all.every(isPlainLora)))
    return
  const remedy = isSvd
    ? 'it cannot be merged into weights, or changes biases too'
    : all.every((one) => one.merge) && all.length > 0
      ? 'methods on factors are for LoRA: use svd, or one that ends with _svd, with a rank'
      : undefined
  throw new TrituneError('E_UNSUPPORTED', `adapter "${name}" (${kind}) cannot be combined by ${method}`, {
    remedy,
  })
}

/** Embeddings or a head that came with the adapter: there can be one only. */
function hasOwnTable(adapter: Adapter): boolean {
  return (
    adapter.kind === 'modules_to_save' ||
    Object.keys(adapter.parameters()).some((key) => key.endsWith('base_layer.weight'))
  )
}

function ofItsOwn(): string {
  return `fold it into a model of its own (${invocation('merge')} <model> <adapter> <output folder>), and combine the others on that as base`
}

/** As PEFT: of the factors all have one rank, cat adds them up, svd takes the largest. */
function jointRank(parts: readonly Part[], { method, isSvd, rank }: CombinePlan): number {
  const ranks = parts.flatMap(({ adapter: { adapters } }) => {
    const own = [...adapters.values()].filter(isPlainLora).map(rankOf)
    return own.length > 0 ? [Math.max(...own)] : []
  })
  if (isSvd) {
    const largest = rank ?? Math.max(0, ...ranks)
    if (largest > 0) return largest
    throw new TrituneError('E_CONFIG', 'rank: expected a number, as no LoRA is among the adapters', {
      remedy: 'give the rank of the result',
    })
  }
  if (method === 'cat') return ranks.reduce((sum, own) => sum + own, 0)
  const [first] = ranks
  if (ranks.every((own) => own === first)) return first
  throw new TrituneError('E_ADAPTER', `${method} wants adapters of one rank, got ${ranks.join(' and ')}`, {
    remedy: 'use cat, svd, or a method that ends with _svd',
  })
}

function dropoutOf({ adapters }: AttachedAdapter): number {
  const [first] = [...adapters.values()].filter(isPlainLora)
  return first?.options.dropout ?? 0
}

interface FactorOptions {
  readonly rank: number
  readonly maskOf: MaskOf
}

function factorsOf(layer: Layer, parts: readonly Part[], plan: CombinePlan, options: FactorOptions): Factors {
  const here = parts.flatMap(({ weight, adapter }) => {
    const own = adapter.adapters.get(layer.path)
    return own ? [{ weight, name: adapter.name, own }] : []
  })
  const loras = here.flatMap(({ own, ...rest }) => (isPlainLora(own) ? [{ ...rest, ...loraParts(own) }] : []))
  if (plan.vectors === null || (plan.method === 'svd' && loras.length === here.length))
    return joinedFactors(layer, loras, plan, options)
  return plan.isSvd ? changeFactors(layer, here, plan, options) : vectorFactors(layer, loras, plan, options)
}

interface Weighted {
  readonly weight: number
  readonly name: string
}

/** cat: the factors side by side. svd: the product of these, cut to the rank. */
function joinedFactors(
  { inputs, outputs }: Layer,
  loras: readonly (Weighted & LoraParts)[],
  { method, clamp }: CombinePlan,
  { rank }: FactorOptions,
): Factors {
  const width = method === 'cat' ? rank : loras.reduce((sum, own) => sum + own.rank, 0)
  const [left, right] = [matrix(outputs, width), matrix(width, inputs)]
  let at = 0
  for (const { weight, a, b, rank: r, scale } of loras) {
    for (let i = 0; i < r * inputs; i++) right.data[at * inputs + i] = a[i] * weight * scale
    for (let i = 0; i < outputs; i++) for (let k = 0; k < r; k++) left.data[i * width + at + k] = b[i * r + k]
    at += r
  }
  if (method === 'cat') return { a: Float32Array.from(right.data), b: Float32Array.from(left.data) }
  return productFactors(left, right, { rank, clamp })
}

/** On A and on B alone, each with the root of weight and scale; a sign goes to A. */
function vectorFactors(
  { path }: Layer,
  loras: readonly (Weighted & LoraParts)[],
  { vectors, density, majoritySign, seed, method }: CombinePlan,
  { maskOf, rank }: FactorOptions,
): Factors {
  for (const { name, rank: own } of loras)
    if (own !== rank)
      throw new TrituneError(
        'E_ADAPTER',
        `${method} wants one rank; that of adapter "${name}" is ${own} in ${path}, not ${rank}`,
        { remedy: 'use cat, svd, or a method that ends with _svd' },
      )
  const half = (part: 'a' | 'b'): Float32Array =>
    combineVectors(
      vectors ?? 'linear',
      loras.map((own) => own[part]),
      loras.map(({ weight, scale }) => {
        const whole = weight * scale
        return Math.fround(Math.sqrt(Math.abs(whole)) * (part === 'a' && whole < 0 ? -1 : 1))
      }),
      { density, majoritySign, mask: (i) => maskOf(density, seed, `${path}/${part}/${loras[i].name}`) },
    )
  return { a: half('a'), b: half('b') }
}

/** On the change of the weight, then cut to the rank. */
function changeFactors(
  layer: Layer,
  here: readonly (Weighted & { readonly own: Adapter })[],
  { vectors, density, majoritySign, seed, clamp }: CombinePlan,
  { rank, maskOf }: FactorOptions,
): Factors {
  const { path, inputs, outputs, device } = layer
  const change = combineVectors(
    vectors ?? 'linear',
    here.map(({ own }) => changeOf(layer, own)),
    here.map(({ weight }) => Math.fround(weight)),
    { density, majoritySign, mask: (i) => maskOf(density, seed, `${path}/${here[i].name}`) },
  )
  using _scope = tensorScope()
  return denseFactors(tensorMap(tensor(change, { shape: [outputs, inputs], device })), { rank, clamp })
}

/** What the adapter adds to the weight, (outputs, inputs). */
function changeOf(layer: Layer, adapter: Adapter): Float32Array {
  return noGrad(() => {
    using _scope = tensorScope()
    const { device, inputs, outputs, kind } = layer
    if (isPlainLora(adapter)) {
      const { a, b, rank, scale } = loraParts(adapter)
      const left = tensor(b, { shape: [outputs, rank], device })
      return affine(matmul(left, tensor(a, { shape: [rank, inputs], device })), { scale }).toArray()
    }
    const weight = cast(denseWeight(layer), 'f32')
    const merged = adapter.merge?.(weight)
    if (!merged)
      throw new TrituneError('E_UNSUPPORTED', `${adapter.kind} cannot be merged into weights`, {
        remedy: 'leave it out of what is combined',
      })
    const change = sub(merged, weight)
    return (kind === 'embedding' ? transpose(change) : change).toArray()
  })
}
