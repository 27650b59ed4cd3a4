/**
 * What the strategy adds to a step whose parts take no time.
 */
import { run } from 'mitata'
import { parameter, referenceDevice, type StepContext, zeros } from 'tritune/core'
import { benchOp } from 'tritune/bench'
import { loadModel } from 'tritune/plugins/models'
import { myStrategy } from '../src/mod.ts'

const model = loadModel('node_modules/tritune/quickstart/model', { device: referenceDevice })
const parameters = new Map([['weight', parameter(zeros([4, 4]))]])
const parts = {
  evaluate: () => 1,
  evaluateEach: () => [1],
  backward: () => 1,
  update: () => ({}),
  beforeUpdate() {},
}
const context: StepContext = { step: 0, totalSteps: 8, learningRate: 1e-3, model, parameters, ...parts }
benchOp('my-strategy: a step', {
  open() {
    const strategy = myStrategy.create({ below: 0.5 }, { model, parameters, totalSteps: 8, seed: 0 })
    return () => strategy.step(context, () => ({ loss: 1, metrics: {} }))
  },
})
await run()
