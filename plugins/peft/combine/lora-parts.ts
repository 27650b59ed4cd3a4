/**
 * The factors of a LoRA as its file has them, on the host: of one that took a part of the base over, those of twice the rank.
 */
import { Disposables } from '../../../core/disposables.ts'
import type { Adapter } from '../../../core/mod.ts'
import type { LoraAdapter } from '../lora/lora-factors.ts'

/** B·A·scale is what the adapter adds. A (rank, inputs), B (outputs, rank). */
export interface LoraParts {
  readonly a: Float32Array
  readonly b: Float32Array
  readonly rank: number
  readonly scale: number
}

/** A LoRA without DoRA's lengths and without a bias of its own: its factors are all of it. */
export function isPlainLora(adapter: Adapter): adapter is LoraAdapter {
  return adapter.kind === 'lora' && !adapter.mergeBias && !('lora_B.bias' in adapter.parameters())
}

export function rankOf(adapter: LoraAdapter): number {
  if (!adapter.stored) return adapter.a.shape[0]
  return loraParts(adapter).rank
}

export function loraParts({ a, b, scale, stored }: LoraAdapter): LoraParts {
  if (!stored) return { a: a.toArray(), b: b.toArray(), rank: a.shape[0], scale }
  using made = new Disposables()
  const tensors = Object.entries(stored.make()).map(([name, tensor]) => ({ name, tensor: made.use(tensor) }))
  const find = (part: string): (typeof tensors)[number]['tensor'] =>
    tensors.find(({ name }) => name.includes(part))?.tensor ?? (part === '_A' ? a : b)
  const [wide, tall] = [find('_A'), find('_B')]
  return { a: wide.toArray(), b: tall.toArray(), rank: wide.shape[0], scale }
}
