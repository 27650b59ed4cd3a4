/**
 * What adapters of the whole model put before every document: virtual tokens into the stream, keys and values into attention.
 *
 * Real tokens keep their order and their rows: the stream gets longer on the way in and is cut back on the way out. Positions
 * go up by what stands before, as in PEFT. A cache holds it from its first pass on, so later passes add nothing.
 */
import {
  cast,
  concat,
  embedding,
  type FloatDType,
  type KeyValuePrefix,
  leadLength,
  type Model,
  type ModelAdapter,
  reshape,
  tensor,
  type Tensor,
  type TokenBatch,
  TrituneError,
} from '../../core/mod.ts'
import { createCache } from './cache.ts'
import type { CacheShape, DocumentCache, LayerCache } from './layer-cache.ts'

type Adapted = Pick<Model, 'adapters' | 'info'>

/** A pass through the model with what stands before its documents. */
export interface Lead {
  /** Positions, offsets and positionCount of the longer stream. */
  readonly batch: TokenBatch
  /** Rows that `ids` of the batch stand for, now with the virtual tokens before each document. */
  expand(embedded: Tensor): Tensor
  /** The rows of real tokens. */
  strip(hidden: Tensor): Tensor
  /** Keys and values that a block sees besides its own; null: none. */
  readonly past: Pick<LayerCache, 'extend'> | null
}

/** Throws E_ADAPTER when an adapter gives something of another shape than the model has. */
export function openLead(model: Adapted, batch: TokenBatch, cache: LayerCache | null): Lead {
  const active = activeOf(model)
  const plain: Lead = { batch, expand: (embedded) => embedded, strip: (hidden) => hidden, past: cache }
  if (active.length === 0) return plain
  const prefixed = lengthOf(active.filter(({ prefix }) => prefix))
  const isFirst = !cache || cache.length <= prefixed
  const virtual = isFirst ? lengthOf(active.filter(({ virtualTokens }) => virtualTokens)) : 0
  const device = batch.ids.device
  const longer = lengthened(batch, { virtual, shift: cache ? 0 : prefixed })
  return {
    batch: longer,
    expand: (embedded) => (virtual === 0 ? embedded : withVirtualTokens(model, active, batch, embedded)),
    strip(hidden) {
      if (virtual === 0) return hidden
      const kept: number[] = []
      eachDocument(longer, (start, end) => {
        for (let row = start + virtual; row < end; row++) kept.push(row)
      })
      return embedding(hidden, tensor(kept, { dtype: 'i32', device }))
    },
    past: cache ?? (prefixed === 0 ? null : prefixedKeys(model, active, longer, prefixed)),
  }
}

/** A cache with room for `capacity` tokens, in which the prefixes of active adapters stand already. */
export function createLeadCache(model: Adapted, capacity: number, shape: CacheShape): DocumentCache {
  const active = activeOf(model).filter(({ prefix }) => prefix)
  return createCache(capacity + leadLength(model), shape, (layer) =>
    active.length === 0 ? null : prefixOf(model, active, layer, shape.dtype),
  )
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function activeOf({ adapters }: Adapted): ModelAdapter[] {
  return adapters.filter(({ weight }) => weight !== 0).map(({ adapter }) => adapter)
}

function lengthOf(adapters: readonly ModelAdapter[]): number {
  return adapters.reduce((sum, { length }) => sum + length, 0)
}

function eachDocument(
  { host: { offsets } }: TokenBatch,
  visit: (start: number, end: number, index: number) => void,
): void {
  for (let d = 0; d + 1 < offsets.length; d++) visit(offsets[d], offsets[d + 1], d)
}

/** The batch with `virtual` more positions before each document; those of real tokens go up by these and by `shift`. */
function lengthened(
  batch: TokenBatch,
  { virtual, shift }: { readonly virtual: number; readonly shift: number },
): TokenBatch {
  const positions: number[] = []
  const offsets = [0]
  eachDocument(batch, (start, end) => {
    const first = batch.host.positions[start] ?? 0
    for (let i = 0; i < virtual; i++) positions.push(first + shift + i)
    for (let i = start; i < end; i++) positions.push(batch.host.positions[i] + shift + virtual)
    offsets.push(positions.length)
  })
  const options = { dtype: 'i32', device: batch.ids.device } as const
  return {
    ids: batch.ids,
    positions: tensor(positions, options),
    offsets: tensor(offsets, options),
    positionCount: batch.positionCount + shift + virtual,
    host: { positions, offsets },
  }
}

/** rows (lead + T, …) → for each document the lead and its own rows. */
function leadBeforeEach(lead: Tensor, rows: Tensor, batch: TokenBatch): Tensor {
  const [count] = lead.shape
  const order: number[] = []
  eachDocument(batch, (start, end) => {
    for (let i = 0; i < count; i++) order.push(i)
    for (let row = start; row < end; row++) order.push(count + row)
  })
  return embedding(concat([lead, rows]), tensor(order, { dtype: 'i32', device: rows.device }))
}

function withVirtualTokens(
  { info: { hiddenSize } }: Adapted,
  active: readonly ModelAdapter[],
  batch: TokenBatch,
  embedded: Tensor,
): Tensor {
  const parts = active.flatMap((adapter) => {
    if (!adapter.virtualTokens) return []
    const tokens = adapter.virtualTokens()
    expectGiven(adapter, 'virtualTokens()', tokens, [adapter.length, hiddenSize])
    return [cast(tokens, embedded.dtype as FloatDType)]
  })
  return leadBeforeEach(concat(parts), embedded, batch)
}

function prefixedKeys(
  model: Adapted,
  active: readonly ModelAdapter[],
  batch: TokenBatch,
  prefixed: number,
): Pick<LayerCache, 'extend'> {
  const { device } = batch.ids
  const starts = Array.from(batch.host.offsets, (offset, d) => offset + d * prefixed)
  const offsets = tensor(starts, { dtype: 'i32', device })
  return {
    extend(layer, k, v) {
      const lead = prefixOf(model, active, layer, k.dtype as FloatDType)
      const [tokens, heads, size] = k.shape
      const joined = (before: Tensor, own: Tensor): Tensor => {
        const rows = leadBeforeEach(
          reshape(before, [prefixed, heads * size]),
          reshape(own, [tokens, heads * size]),
          batch,
        )
        return reshape(rows, [rows.shape[0], heads, size])
      }
      return { k: joined(lead.k, k), v: joined(lead.v, v), offsets }
    },
  }
}

function prefixOf(
  { info: { kvHeads, headSize } }: Adapted,
  active: readonly ModelAdapter[],
  block: number,
  dtype: FloatDType,
): KeyValuePrefix {
  const pairs = active.flatMap((adapter) => {
    if (!adapter.prefix) return []
    const { k, v } = adapter.prefix(block)
    for (const part of [k, v])
      expectGiven(adapter, `prefix(${block})`, part, [adapter.length, kvHeads, headSize])
    return [{ k: cast(k, dtype), v: cast(v, dtype) }]
  })
  return { k: concat(pairs.map(({ k }) => k)), v: concat(pairs.map(({ v }) => v)) }
}

function expectGiven({ kind }: ModelAdapter, what: string, given: Tensor, shape: readonly number[]): void {
  if (given.shape.join() === shape.join()) return
  throw new TrituneError(
    'E_ADAPTER',
    `${what} of ${kind} gave (${given.shape.join(', ')}), the model takes (${shape.join(', ')})`,
  )
}
