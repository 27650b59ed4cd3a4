/**
 * Noise that is keyed and not drawn: dropout masks depend on (seed, step, site, element) only, so a checkpointed block
 * that runs again, another split into micro-batches and a resumed run all see the same bits.
 *
 * The layout of a key is `rng` of native/include/tritune.h; the generator is core/tensor/random.ts.
 */
import { TrituneError } from '../errors.ts'
import { expectInteger } from './expect.ts'
import { philox4x32 } from './random.ts'

/** What keys the noise of one forward pass. */
export interface NoiseStream {
  /** Integer from 0 to 2⁵³ − 1. */
  readonly seed: number
  /** Optimizer step, u32. */
  readonly step: number
  /** Rows (tokens) of this step that earlier micro-batches and other ranks have; keeps their masks apart. */
  readonly offset?: number
}

let current: NoiseStream | null = null

/**
 * Runs `fn` with `stream` as the source of noise; null: none.
 *
 * @example
 * ```ts
 * import { dropout, siteOf, tensor, tensorScope, withNoise } from 'tritune/core'
 *
 * using _scope = tensorScope()
 * const x = tensor([1, 1, 1, 1], { shape: [4, 1] })
 * const y = withNoise({ seed: 1, step: 0 }, () => dropout(x, { p: 0.5, site: siteOf('block.0') }))
 * console.log(y.toArray().every((value) => value === 0 || value === 2)) // → true
 * ```
 */
export function withNoise<T>(stream: NoiseStream | null, fn: () => T): T {
  if (stream) {
    const { seed, step, offset = 0 } = stream
    expectInteger('withNoise', 'seed', seed, { max: Number.MAX_SAFE_INTEGER })
    expectInteger('withNoise', 'step', step, { max: 2 ** 32 - 1 })
    expectInteger('withNoise', 'offset', offset, { max: Number.MAX_SAFE_INTEGER })
  }
  const before = current
  current = stream
  try {
    return fn()
  } finally {
    current = before
  }
}

/** The noise of the `withNoise()` that this call lies in; null outside of one, where nothing is dropped. */
export function currentNoise(): NoiseStream | null {
  return current
}

/**
 * The key of one place that draws noise, of the current stream: element i of a (rows, width) array takes the number at
 * offset·width + extraOffset + i. E_SCOPE outside withNoise().
 */
export function noiseKey(site: number, extraOffset = 0, width = 1): Uint32Array<ArrayBuffer> {
  if (!current) {
    throw new TrituneError('E_SCOPE', 'noise was asked for outside of withNoise()', {
      remedy: 'wrap the training step in withNoise({ seed, step, offset }, () => …), or set dropout to 0',
    })
  }
  const { seed, step, offset = 0 } = current
  const first = offset * width + extraOffset
  expectInteger('noiseKey', 'site', site, { max: 2 ** 32 - 1 })
  expectInteger('noiseKey', 'offset', first, { max: Number.MAX_SAFE_INTEGER })
  return Uint32Array.of(seed, seed / 2 ** 32, step, site, first, first / 2 ** 32)
}

/** A stable number for a place in the model (`model.layers.3.mlp.down_proj`): 32-bit FNV-1a of its path. */
export function siteOf(path: string): number {
  let hash = 0x811c9dc5
  for (const byte of new TextEncoder().encode(path)) hash = Math.imul(hash ^ byte, 0x01000193)
  return hash >>> 0
}

/** Reference of dropout: what each of n elements is multiplied by, 0 or 1/(1 − p); null: nothing is dropped. */
export function dropoutFactors(key: Uint32Array | null, n: number, p: number): Float64Array | null {
  if (!key || p === 0) return null
  const factors = new Float64Array(n)
  const threshold = Math.fround(p) * 2 ** 32
  for (let i = 0; i < n; i++) factors[i] = wordAt(key, i) < threshold ? 0 : 1 / (1 - p)
  return factors
}

/** The u32 that element `index` draws under `key`. */
export function wordAt(key: Uint32Array, index: number): number {
  const [seedLow, seedHigh, step, site, offsetLow, offsetHigh] = key
  const position = offsetHigh * 2 ** 32 + offsetLow + index
  const block = Math.floor(position / 4)
  return philox4x32([seedLow, seedHigh], [block >>> 0, Math.floor(block / 2 ** 32), site, step])[position % 4]
}
