/**
 * What 64 tokens take, forward only.
 */
import { run } from 'mitata'
import { benchOp } from 'tritune/bench'
import { createBatch, loadModel } from 'tritune/plugins/models'
import { makeModel } from '../example/make-model.ts'
import { myModel } from '../src/mod.ts'

const ids = Int32Array.from({ length: 64 }, (_, i) => i + 1)
const arrays = { ids, positions: ids.map((_, i) => i), offsets: Int32Array.of(0, 64) }
const path = makeModel()
benchOp('my-model: hidden states', {
  open({ device }) {
    const model = loadModel(path, { device, models: { 'my-model': myModel } })
    const batch = createBatch(arrays, device)
    return () => model.hidden(batch)
  },
})
await run()
