/**
 * What packing a weight takes, and getting it back.
 */
import { run } from 'mitata'
import { benchOp } from 'tritune/bench'
import { myQuantizer } from '../src/mod.ts'

const quantizer = myQuantizer.create({})
benchOp('my-quantizer: quantize', {
  open({ random }) {
    const weight = random([512, 512])
    return () => quantizer.quantize(weight)[Symbol.dispose]()
  },
})
benchOp('my-quantizer: dequantize', {
  open({ random }) {
    const packed = quantizer.quantize(random([512, 512]))
    return () => quantizer.dequantize(packed, 'f32')
  },
})
await run()
