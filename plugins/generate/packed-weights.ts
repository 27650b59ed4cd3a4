/**
 * Weights in 8 or 4 bits for models that only write: the head as well as the linear layers.
 */
import type { LoadModelOptions } from '../models/mod.ts'
import { int8, nf4, openQuantizer, packLayers } from '../qlora/mod.ts'

/** In 8 bits by rows, or in 4 bits by blocks of 64. */
export type WritingQuantizer = 'int8' | 'nf4'

/**
 * Options of `loadModel()` that pack all weights but the embedding while they are loaded; none: as they are stored. Of int8 no column of x is left
 * unrounded, as a pass of few rows would pay for it.
 *
 * @example
 * ```ts
 * import { generate, packedWeights } from 'tritune/plugins/generate'
 * import { loadModel } from 'tritune/plugins/models'
 *
 * using model = loadModel('my-model', { dtype: 'f32', ...packedWeights('int8') })
 * console.log([...generate(model, [1, 5, 9], { maxNewTokens: 4 })].length) // → 4
 * ```
 */
export function packedWeights(kind?: WritingQuantizer): Pick<LoadModelOptions, 'pack' | 'packHead'> {
  if (kind === undefined) return {}
  const quantizer =
    kind === 'int8' ? openQuantizer(int8, { threshold: 0 }) : openQuantizer(nf4, { double_quant: false })
  const pack = packLayers(quantizer, 'f32')
  return { pack, packHead: pack }
}
