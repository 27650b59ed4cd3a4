/**
 * What LoHa and LoKr drop in a training step: outputs of the change (`rank_dropout`), or the change of a layer (`module_dropout`).
 *
 * Decided by (seed, step, layer), so a block that is computed again and another split into micro-batches see the same; PEFT draws anew
 * for each forward pass.
 */
import {
  createRandom,
  currentNoise,
  type Device,
  type FloatDType,
  type Tensor,
  tensor,
  zeros,
} from '../../../core/mod.ts'

/** Whether the layer goes without its change now. */
export function isModuleDropped(path: string, chance: number): boolean {
  const noise = chance > 0 ? currentNoise() : null
  return noise !== null && createRandom(noise.seed, `module-dropout/${path}/${noise.step}`).float() < chance
}

/** (outputs): 0 for those that are dropped, otherwise 1, or with `scaled` so much that the mean is 1. null: none is dropped. */
export function outputMask(
  { path, outputs, device }: { readonly path: string; readonly outputs: number; readonly device: Device },
  chance: number,
  scaled: boolean,
): Tensor | null {
  const noise = chance > 0 ? currentNoise() : null
  if (noise === null) return null
  const random = createRandom(noise.seed, `rank-dropout/${path}/${noise.step}`)
  const mask = Float32Array.from({ length: outputs }, () => (random.float() < chance ? 0 : 1))
  const kept = mask.reduce((a, b) => a + b, 0)
  return tensor(scaled && kept > 0 ? mask.map((one) => (one * outputs) / kept) : mask, { device })
}

/** The change of a layer that goes without it: zeros (…, outputs). */
export function nothing(x: Tensor, outputs: number): Tensor {
  return zeros([...x.shape.slice(0, -1), outputs], { dtype: x.dtype as FloatDType, device: x.device })
}
