/**
 * What a definition makes, before it is on a model: adapters of layers and what they share, or one of the whole model.
 */
import type { Adapter, ModelAdapter, SharedAdapter } from '../../../core/mod.ts'

export interface MadeAdapter {
  readonly kind: string
  readonly adapters: ReadonlyMap<string, Adapter>
  readonly shared: SharedAdapter | null
  readonly whole: ModelAdapter | null
}

/** Frees all of it. */
export function disposeMade({ adapters, shared, whole }: MadeAdapter): void {
  for (const adapter of adapters.values()) adapter[Symbol.dispose]()
  shared?.[Symbol.dispose]()
  whole?.[Symbol.dispose]()
}
