/**
 * Each document of a batch through adapters of its own: PEFT's `adapter_names`. For inference; training takes one set for all.
 */
import type { AdapterSlot, Adapter } from '../contracts/adapter.ts'
import type { Layer } from '../contracts/layer.ts'
import type { Model, TokenBatch } from '../contracts/model.ts'
import { TrituneError } from '../errors.ts'
import { noGrad } from '../tensor/tape.ts'
import { weightsOf } from './_slots.ts'
import { type ActiveAdapters, withAdapters } from './active-adapters.ts'

/** This name stands for no adapter, as in PEFT. */
export const BASE_MODEL = '__base__'

/** The adapters of one document: a name, `__base__` for none, or several names, with weights or without. */
export type DocumentAdapters = string | ActiveAdapters

/**
 * Runs `fn`, without gradients, with adapters of its own for each document of `batch`; afterwards what was active is active again. The base
 * layer is computed once for all documents, so a batch of many adapters costs little more than one of one. `fn` runs
 * `model.hidden(batch)`, and the head on all of its rows.
 *
 * E_SHAPE when there are not as many entries as documents, E_NAME for a name that there is not, E_UNSUPPORTED for an adapter of the whole
 * model or one that changes a norm: these are the same for all documents.
 *
 * @example
 * ```ts
 * import { headLogits, tensorScope, withDocumentAdapters } from 'tritune/core'
 * import { createBatch, loadModel } from 'tritune/plugins/models'
 * import { loadAdapter } from 'tritune/plugins/peft'
 *
 * using model = loadModel('my-model')
 * using _german = loadAdapter(model, 'german', { name: 'german' })
 * using _scope = tensorScope()
 * const batch = createBatch({ ids: [1, 2, 3, 1, 2, 3], offsets: [0, 3, 6] }) // the same text twice
 * const logits = withDocumentAdapters(model, batch, ['german', '__base__'], () =>
 *   headLogits(model.head, model.hidden(batch)),
 * )
 * console.log(logits.shape[0]) // → 6
 * ```
 */
export function withDocumentAdapters<T>(
  model: Model,
  batch: TokenBatch,
  adapters: readonly DocumentAdapters[],
  fn: () => T,
): T {
  const { offsets } = batch.host
  if (adapters.length !== offsets.length - 1)
    throw new TrituneError(
      'E_SHAPE',
      `adapters are named for ${adapters.length} documents, the batch has ${offsets.length - 1}`,
    )
  const runs = adapters.map((one, i) => ({
    start: offsets[i],
    end: offsets[i + 1],
    weights: one === BASE_MODEL ? NONE : weightsOf(model, typeof one === 'string' ? [one] : one),
  }))
  for (const { name, adapter } of model.adapters)
    if (runs.some(({ weights }) => (weights.get(name) ?? 0) !== 0))
      throw new TrituneError(
        'E_UNSUPPORTED',
        `adapter "${name}" (${adapter.kind}) cannot be on some documents`,
        {
          remedy: 'it stands before the text of all: run those documents in a batch of their own',
        },
      )
  for (const { path, kind, adapters: own } of model.layers.values())
    for (const { name } of kind === 'norm' ? own : [])
      if (runs.some(({ weights }) => (weights.get(name) ?? 0) !== 0))
        throw new TrituneError(
          'E_UNSUPPORTED',
          `adapter "${name}" cannot be on some documents: it changes ${path}`,
          {
            remedy: 'a norm is the same for all: run those documents in a batch of their own',
          },
        )
  for (const { experts } of model.expertParameters?.values() ?? [])
    for (const { adapters: own } of experts.flat())
      for (const { name } of own)
        if (runs.some(({ weights }) => (weights.get(name) ?? 0) !== 0))
          throw new TrituneError(
            'E_UNSUPPORTED',
            `adapter "${name}" cannot be on some documents: it changes experts`,
            {
              remedy: 'rows of all documents meet there: run those documents in a batch of their own',
            },
          )
  return withAdapters(model, [], () =>
    noGrad(() => within({ model, runs, rows: offsets[offsets.length - 1], from: null }, fn)),
  )
}

/** Rows of a layer's input that go through the same adapters. */
export interface RowRun {
  readonly start: number
  readonly end: number
  readonly active: readonly AdapterSlot<Adapter>[]
}

/**
 * How the `count` rows that come into a layer are divided among its adapters; null: not by document. For core/layers only.
 */
export function rowRuns(layer: Layer, count: number): readonly RowRun[] | null {
  if (!current || current.model.layers.get(layer.path) !== layer) return null
  const { runs, rows, from } = current
  if (from === null && count !== rows && isDivided(layer))
    throw new TrituneError(
      'E_SHAPE',
      `${count} rows of ${rows} came into a layer with adapters by document`,
      {
        place: layer.path,
        remedy: 'give it the rows of all documents, and take those that you want afterwards',
      },
    )
  const first = from ?? 0
  const divided: RowRun[] = []
  for (const run of runs) {
    const start = Math.max(run.start - first, 0)
    const end = Math.min(run.end - first, count)
    if (start >= end) continue
    const active = activeIn(layer, run.weights)
    const before = divided.at(-1)
    if (before && isSame(before.active, active)) divided[divided.length - 1] = { ...before, end }
    else divided.push({ start, end, active })
  }
  return divided
}

/** Whether documents of the batch have adapters of their own on this layer. For core/layers only. */
export function isDivided(layer: Layer): boolean {
  if (!current || current.model.layers.get(layer.path) !== layer) return false
  return current.runs.some(({ weights }) => activeIn(layer, weights).length > 0)
}

/** Runs `fn` on rows of the batch that begin at `from`. For core/layers only. */
export function withRowsFrom<T>(from: number, fn: () => T): T {
  return current ? within({ ...current, from }, fn) : fn()
}

// ---- helpers ----------------------------------------------------------------------------------------------------

interface Plan {
  readonly model: Model
  readonly runs: readonly {
    readonly start: number
    readonly end: number
    readonly weights: ReadonlyMap<string, number>
  }[]
  readonly rows: number
  /** The row of the batch at which the input of the layer begins; null: it has all rows. */
  readonly from: number | null
}

const NONE: ReadonlyMap<string, number> = new Map()
let current: Plan | null = null

function within<T>(plan: Plan, fn: () => T): T {
  const before = current
  current = plan
  try {
    return fn()
  } finally {
    current = before
  }
}

function activeIn({ adapters }: Layer, weights: ReadonlyMap<string, number>): AdapterSlot<Adapter>[] {
  return adapters.flatMap(({ name, adapter }) => {
    const weight = weights.get(name) ?? 0
    return weight === 0 ? [] : [{ name, adapter, weight }]
  })
}

function isSame(a: readonly AdapterSlot<Adapter>[], b: readonly AdapterSlot<Adapter>[]): boolean {
  return (
    a.length === b.length &&
    a.every((slot, i) => slot.adapter === b[i].adapter && slot.weight === b[i].weight)
  )
}
