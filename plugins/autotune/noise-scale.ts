/**
 * The gradient noise scale (McCandlish et al. 2018, arXiv 1812.06162): how many documents a step needs before more of them say the same. From the squared lengths of
 * gradients over few documents and over many.
 */

/** Squared lengths of the gradients of one window, whole and in parts. */
export interface GradientLengths {
  /** Documents of a part, and of the whole. */
  readonly small: number
  readonly large: number
  /** Mean over the parts. */
  readonly smallSquared: number
  readonly largeSquared: number
}

/**
 * Documents; null where the windows do not tell: more noise than gradient.
 *
 * @example
 * ```ts
 * import { noiseScale } from 'tritune/plugins/autotune'
 *
 * // A gradient of length 1 with noise of 8 / documents.
 * const window = { small: 1, large: 16, smallSquared: 1 + 8, largeSquared: 1 + 0.5 }
 * console.log(noiseScale([window])) // → 8
 * ```
 */
export function noiseScale(windows: readonly GradientLengths[]): number | null {
  let [signal, noise] = [0, 0]
  for (const { small, large, smallSquared, largeSquared } of windows) {
    if (large <= small) continue
    signal += (large * largeSquared - small * smallSquared) / (large - small)
    noise += (smallSquared - largeSquared) / (1 / small - 1 / large)
  }
  return signal > 0 && noise > 0 ? noise / signal : null
}
