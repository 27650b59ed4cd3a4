/**
 * What a layer takes with the adapter, beside a copy of as many bytes as it reads and writes.
 */
import { run } from 'mitata'
import { benchOp } from 'tritune/bench'
import { myAdapter } from '../src/mod.ts'

const [tokens, inputs, outputs] = [256, 512, 512]
benchOp('my-adapter: forward', {
  bytes: 4 * (tokens * inputs + inputs * outputs + tokens * outputs),
  open({ random, device }) {
    const [x, weight] = [random([tokens, inputs]), random([outputs, inputs])]
    const kind = 'linear' as const
    const base = {
      path: 'layer',
      kind,
      inputs,
      outputs,
      weight,
      bias: null,
      transposed: false,
      device,
      tiedTo: null,
    }
    const adapter = myAdapter.create(base, { scale: 1 }, { seed: 0 })
    return () => adapter.forward(x, base)
  },
})
await run()
