/**
 * The adapters of single texts: which are meant, and which texts can share a pass.
 */
import {
  type ActiveAdapters,
  type Adapter,
  type AdapterSlot,
  BASE_MODEL,
  type DocumentAdapters,
  type Model,
  type ModelAdapter,
  withAdapters,
} from '../../core/mod.ts'

/** What one text names, as a set; undefined: what is active. */
export function activeOf(adapters: DocumentAdapters | undefined): ActiveAdapters | undefined {
  if (adapters === BASE_MODEL) return []
  return typeof adapters === 'string' ? [adapters] : adapters
}

/** Runs `fn` with these; undefined: with those that are active. */
export function withActive<T>(model: Model, adapters: ActiveAdapters | undefined, fn: () => T): T {
  return adapters === undefined ? fn() : withAdapters(model, adapters, fn)
}

/** Equal for texts that go through the same adapters. */
export function adaptersKey(model: Model, adapters: ActiveAdapters | undefined): string {
  if (adapters === undefined) return JSON.stringify(slotsOf(model).map(({ name, weight }) => [name, weight]))
  const named: [string, number][] = isList(adapters)
    ? adapters.map((name) => [name, 1])
    : Object.entries(adapters)
  return JSON.stringify(Object.fromEntries(named))
}

/** Whether texts with these and texts with others can be in one pass: what stands before a text or changes a norm is the same for all. */
export function isDivisible(model: Model, adapters: ActiveAdapters | undefined): boolean {
  if (adapters === undefined) return false
  const names = isList(adapters) ? adapters : Object.keys(adapters)
  const isNamed = ({ name }: { readonly name: string }): boolean => names.includes(name)
  if (model.adapters.some(isNamed)) return false
  return ![...model.layers.values()].some(({ kind, adapters: own }) => kind === 'norm' && own.some(isNamed))
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function isList(adapters: ActiveAdapters): adapters is readonly string[] {
  return Array.isArray(adapters)
}

function slotsOf(model: Model): Pick<AdapterSlot<Adapter | ModelAdapter>, 'name' | 'weight'>[] {
  return [...model.adapters, ...[...model.layers.values()].flatMap(({ adapters }) => adapters)]
}
