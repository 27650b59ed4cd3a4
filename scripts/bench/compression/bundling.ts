/**
 * Several gradients in one hypervector, as vsa-optim-rs sends them, beside one message for each in as many bytes: what of a gradient comes back. Training
 * does not use it; this is why.
 *
 *   layer ℓ: trits of its turned numbers, bound to a key; message: the sign of their sum; back: unbound, times its scale, turned back
 */
import { createRandom } from '../../../core/mod.ts'
import { packedTrits } from '../../../plugins/ternary/mod.ts'
import { compareGradients, vsaCompressor } from '../../../plugins/vsa-optim/mod.ts'
import { mean } from '../_measure.ts'
import type { Row } from '../_topic.ts'

/** Numbers of a layer, and dimensions of the vector. */
const DIMS = 4096
const LAYERS = [1, 2, 4, 8, 16]

export function bundlingRows(): Row[] {
  return LAYERS.map((count): Row => {
    const gradients = Array.from({ length: count }, (_, layer) => normals(layer))
    const bundled = mean(cosinesOf(gradients, bundledAndBack(gradients)))
    const compressor = vsaCompressor({ ratio: 1 / count })
    const apart = gradients.map((one) => compressor.decompress(compressor.compress(one)))
    const alone = mean(cosinesOf(gradients, apart))
    return {
      name: `bundling, ${count} in a vector`,
      ours: bundled,
      peer: alone,
      unit: 'cosine',
      ratio: bundled / alone,
      floor: null,
      goal: null,
      better: 'higher',
      note: 'the peer: each by itself, in as many bytes',
    }
  })
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** Scales do not matter to a cosine, so all are 1. */
function bundledAndBack(gradients: readonly Float32Array[]): Float32Array[] {
  const keys = gradients.map((_, stream) => packedTrits.random({ dims: DIMS, seed: 1, stream }))
  const trits = gradients.map((gradient) => packedTrits.fromArray(tritsOf(gradient)))
  const message = packedTrits.bundle(trits.map((one, i) => packedTrits.bind(one, keys[i])))
  return keys.map((key) => Float32Array.from(packedTrits.toArray(packedTrits.unbind(message, key))))
}

/** Of normal numbers a turned block is as normal as the block, so nothing is turned. */
function tritsOf(gradient: Float32Array): Int8Array {
  const least = 0.7 * mean([...gradient].map(Math.abs))
  return Int8Array.from(gradient, (value) => (Math.abs(value) > least ? Math.sign(value) : 0))
}

function normals(layer: number): Float32Array {
  const random = createRandom(3, `layer ${layer}`)
  return Float32Array.from({ length: DIMS }, () => random.normal())
}

function cosinesOf(gradients: readonly Float32Array[], others: readonly Float32Array[]): number[] {
  return gradients.map((gradient, i) => compareGradients(gradient, others[i]).cosine)
}
