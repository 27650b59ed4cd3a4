/**
 * EVA (Paischer et al. 2024, arXiv 2410.07170): A starts as the main directions of what goes into its layer, found in data; B is 0.
 *
 * An incremental PCA (Ross, Lim, Lin & Yang 2008) of the inputs of each layer, batch by batch, until the directions stay where they are: as
 * PEFT's `initialize_lora_eva_weights` with rho = 1, so no rank moves from layer to layer. Layers that get the same input share one.
 */
import { Disposables } from '../../../core/disposables.ts'
import {
  type Adapter,
  baseForward,
  createRandom,
  type Layer,
  type Model,
  noGrad,
  type Random,
  tensor,
  type Tensor,
  type TokenBatch,
  tensorMap,
  tensorScope,
  topSingular,
  TrituneError,
  withAdapters,
} from '../../../core/mod.ts'
import type { AttachedAdapter } from '../attach/attached-adapter.ts'
import type { LoraAdapter } from '../lora/lora-factors.ts'

/** Text to look at, and which of its tokens count; without `counts` all do. */
export interface EvaBatch {
  readonly tokens: TokenBatch
  readonly counts?: (index: number) => boolean
}

/** How EVA went: the batches that it took, and how many layers had not settled when they ended. */
export interface EvaReport {
  readonly batches: number
  readonly unsettled: number
}

/** Options of `startByData()`. */
export interface EvaOptions {
  /** Cosine of a direction to itself one batch before, at which it counts as settled: `tau`. */
  readonly tau?: number
  readonly seed?: number
}

/**
 * Puts the directions into the A of every LoRA on a linear layer or the head; embeddings stay as they are. Takes batches until all have
 * settled, or there are none left. E_ADAPTER when the batches are too short for the rank.
 *
 * @example
 * ```ts
 * import { tensorScope } from 'tritune/core'
 * import { createBatch, loadModel } from 'tritune/plugins/models'
 * import { attachLora, startByData } from 'tritune/plugins/peft'
 *
 * using _scope = tensorScope()
 * using model = loadModel('my-model')
 * using adapter = attachLora(model, { rank: 4, init: 'eva', targetModules: ['q_proj'] })
 * const ids = Array.from({ length: 24 }, (_, i) => 5 + i)
 * const { batches } = startByData(model, adapter, [{ tokens: createBatch({ ids }) }])
 * console.log(batches) // → 1
 * ```
 */
export function startByData(
  model: Model,
  { adapters }: Pick<AttachedAdapter, 'adapters'>,
  batches: Iterable<EvaBatch>,
  { tau = 0.99, seed = 0 }: EvaOptions = {},
): EvaReport {
  const wanted = [...adapters].flatMap(([path, adapter]) => {
    const layer = model.layers.get(path)
    return layer && layer.kind !== 'embedding' && isLora(adapter) ? [{ layer, adapter }] : []
  })
  const found = new Map<string, Components>()
  let taken = 0
  for (const batch of batches) {
    if (wanted.every(({ layer: { path } }) => found.get(path)?.isSettled)) break
    lookAt(model, wanted, batch, { found, tau, random: createRandom(seed, `eva/${taken}`) })
    taken++
  }
  for (const { layer, adapter } of wanted) {
    const components = found.get(layer.path)
    if (!components)
      throw new TrituneError(
        'E_ADAPTER',
        `${layer.path}: no batch had as many tokens as the rank of eva needs`,
        {
          remedy: 'raise micro_batch_size or sequence_len, or lower lora_r',
        },
      )
    adapter.a.set(components.directions)
  }
  return {
    batches: taken,
    unsettled: wanted.filter(({ layer: { path } }) => !found.get(path)?.isSettled).length,
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

interface Wanted {
  readonly layer: Layer
  readonly adapter: LoraAdapter
}

/** What is known of the inputs of a layer. */
interface Components {
  /** (r, in), of length 1 each. */
  readonly directions: Float32Array
  readonly sizes: Float64Array
  readonly mean: Float64Array
  readonly seen: number
  readonly isSettled: boolean
}

interface Search {
  readonly found: Map<string, Components>
  readonly tau: number
  readonly random: Random
}

/** One pass of the base model over a batch, each layer looking at what it gets. */
function lookAt(model: Model, wanted: readonly Wanted[], { tokens, counts }: EvaBatch, search: Search): void {
  const { found } = search
  /** By the tensor that came in: of query, key and value it is one. */
  const same = new Map<Tensor, Components>()
  const look = (path: string, x: Tensor, rank: number): void => {
    const before = found.get(path)
    if (before?.isSettled) return
    const known = same.get(x)
    const now = known?.sizes.length === rank ? known : refined(before ?? null, x, { rank, counts, search })
    if (!now) return
    same.set(x, now)
    found.set(path, now)
  }
  using _scope = tensorScope()
  noGrad(() =>
    withAdapters(model, [], () => {
      using watched = new Disposables()
      for (const { layer, adapter } of wanted) {
        const watch: Adapter = {
          kind: 'eva',
          forward(x, base) {
            look(layer.path, x, adapter.options.rank)
            return baseForward(base, x)
          },
          parameters: () => ({}),
          [Symbol.dispose]() {},
        }
        const slot = { name: 'eva', adapter: watch, weight: 1 }
        layer.adapters.push(slot)
        watched.defer(() => layer.adapters.splice(layer.adapters.indexOf(slot), 1))
      }
      const hidden = model.hidden(tokens)
      const head = wanted.find(({ layer }) => layer === model.head)
      if (head) look(head.layer.path, hidden, head.adapter.options.rank)
    }),
  )
}

interface Refining {
  readonly rank: number
  readonly counts: EvaBatch['counts']
  readonly search: Search
}

/** The components with one more batch; null when it is too short. */
function refined(
  before: Components | null,
  x: Tensor,
  { rank, counts, search }: Refining,
): Components | null {
  const columns = x.shape[x.shape.length - 1]
  const all = x.toArray()
  const rows: Float32Array[] = []
  for (let i = 0; i < all.length / columns; i++)
    if (!counts || counts(i)) rows.push(all.subarray(i * columns, (i + 1) * columns))
  if (rows.length < rank) return null
  const own = new Float64Array(columns)
  for (const row of rows) for (let j = 0; j < columns; j++) own[j] += row[j] / rows.length
  const seen = before?.seen ?? 0
  const total = seen + rows.length
  const mean = own.map((value, j) => (seen * (before?.mean[j] ?? 0) + rows.length * value) / total)
  const extra = before ? rank + 1 : 0
  const stacked = new Float32Array((rows.length + extra) * columns)
  for (const [i, row] of rows.entries())
    for (let j = 0; j < columns; j++) stacked[i * columns + j] = row[j] - own[j]
  if (before) {
    const factor = Math.sqrt((seen / total) * rows.length)
    const at = rows.length * columns
    for (let k = 0; k < rank; k++)
      for (let j = 0; j < columns; j++)
        stacked[at + k * columns + j] = before.sizes[k] * before.directions[k * columns + j]
    for (let j = 0; j < columns; j++) stacked[at + rank * columns + j] = factor * (before.mean[j] - own[j])
  }
  using matrix = tensor(stacked, { shape: [rows.length + extra, columns], device: x.device })
  const { s, v } = topSingular(tensorMap(matrix), rank, search.random)
  const directions = Float32Array.from(
    { length: rank * columns },
    (_, i) => v.data[(i % columns) * rank + Math.floor(i / columns)],
  )
  return {
    directions,
    sizes: s,
    mean,
    seen: total,
    isSettled: before !== null && isNear(before, directions, rank, search.tau),
  }
}

/** Signs do not count: PEFT fixes them. */
function isNear({ directions: old }: Components, now: Float32Array, rank: number, tau: number): boolean {
  const columns = now.length / rank
  for (let k = 0; k < rank; k++) {
    let dot = 0
    for (let j = k * columns; j < (k + 1) * columns; j++) dot += old[j] * now[j]
    if (Math.abs(dot) < tau) return false
  }
  return true
}

function isLora(adapter: Adapter): adapter is LoraAdapter {
  return (adapter.kind === 'lora' || adapter.kind === 'dora') && 'a' in adapter && 'options' in adapter
}
