/**
 * What a step takes on a weight of a million numbers, beside a copy of as many bytes as weight, gradient and momentum have.
 */
import { run } from 'mitata'
import { benchOp } from 'tritune/bench'
import { myOptimizer } from '../src/mod.ts'

const shape = [1024, 1024]
benchOp('my-optimizer: a step', {
  bytes: 5 * 4 * 1024 * 1024, // weight and momentum are read and written, the gradient is read
  open({ random }) {
    const weight = random(shape)
    weight.grad = random(shape)
    const transform = myOptimizer.create({ beta1: 0.9, beta2: 0.99 }, { weightDecay: 0, decays: () => false })
    const state = transform.init(new Map([['weight', weight]]))
    return () => state.apply({ step: 0, learningRate: 1e-3, gradScale: 1, metrics: {} })
  },
})
await run()
