/**
 * What the loss of 64 tokens takes with the model that comes with tritune, forward only.
 */
import { run } from 'mitata'
import { benchOp } from 'tritune/bench'
import { createBatch, loadModel } from 'tritune/plugins/models'
import { myObjective } from '../src/mod.ts'

const ids = Int32Array.from({ length: 64 }, (_, i) => i + 1)
const arrays = { ids, positions: ids.map((_, i) => i), offsets: Int32Array.of(0, 64) }
benchOp('my-objective: loss', {
  open({ device, integers }) {
    const model = loadModel('node_modules/tritune/quickstart/model', { device })
    const batch = {
      tokens: createBatch(arrays, device),
      targets: integers(ids),
      trainedTokens: 64,
      examples: [],
    }
    const objective = myObjective.create({ weight: 1e-4 })
    const options = { scale: 1 / 64, window: [], checkpointing: false, training: false }
    return () => objective.loss(model, batch, options)
  },
})
await run()
