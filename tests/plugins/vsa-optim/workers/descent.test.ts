/**
 * Several workers that send compressed gradients go where workers go that send all of it, if what is not sent is kept for later.
 */
import { expect, test } from 'bun:test'
import { createRandom } from '../../../../core/mod.ts'
import {
  type GradientCompressor,
  ternaryCompressor,
  vsaCompressor,
  withErrorFeedback,
} from '../../../../plugins/vsa-optim/mod.ts'

const [WORKERS, LENGTH, STEPS] = [4, 512, 200]

/** Each worker's loss is ½‖x − its centre‖²: at the common minimum no gradient is 0, but their mean is. */
const CENTRES = Array.from({ length: WORKERS }, (_, worker) => {
  const random = createRandom(worker, 'centres')
  return Float32Array.from({ length: LENGTH }, () => 1 + random.normal() ** 3)
})

/** Distance from the minimum at the end, as a part of that at the start; `send` is what of a gradient arrives. */
function leftOver(send: (gradient: Float32Array, worker: number, step: number) => Float32Array): number {
  const distance = (x: Float32Array): number =>
    Math.hypot(...x.map((value, i) => value - CENTRES.reduce((sum, centre) => sum + centre[i], 0) / WORKERS))
  const x = new Float32Array(LENGTH)
  const start = distance(x)
  for (let step = 0; step < STEPS; step++) {
    const rate = 0.5 / (1 + step / 10)
    const sent = CENTRES.map((centre, worker) =>
      send(
        x.map((value, i) => value - centre[i]),
        worker,
        step,
      ),
    )
    for (let i = 0; i < LENGTH; i++) x[i] -= (rate * sent.reduce((sum, one) => sum + one[i], 0)) / WORKERS
  }
  return distance(x) / start
}

test.each([
  ['ternary', ternaryCompressor({ block: 512 })],
  ['vsa', vsaCompressor({ block: 512, seed: 1 })],
  ['vsa, a quarter', vsaCompressor({ block: 512, seed: 1, ratio: 0.25 })],
] as const)('%s', (_, compressor: GradientCompressor) => {
  const workers = CENTRES.map(() => withErrorFeedback(compressor, LENGTH))
  const all = leftOver((gradient) => gradient)
  const fed = leftOver((gradient, worker) => workers[worker].decompress(workers[worker].compress(gradient)))
  const lossy = leftOver((gradient, _worker, step) =>
    compressor.decompress(compressor.compress(gradient, step)),
  )
  expect(all).toBeLessThan(1e-3)
  expect(fed).toBeLessThan(0.1)
  expect(lossy).toBeGreaterThan(4 * fed)
})
