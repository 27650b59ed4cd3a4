/**
 * The op of the device, beside the one of the CPU device and a copy of as many bytes.
 */
import { run } from 'mitata'
import { swiglu } from 'tritune/core'
import { benchOp, type BenchMaker } from 'tritune/bench'
import { openCpuOrReference } from 'tritune/plugins/cpu'
import { myDevice } from '../src/mod.ts'

const shape = [512, 1024]
const bytes = 3 * 4 * 512 * 1024
const open = ({ random }: BenchMaker): (() => unknown) => {
  const [gate, up] = [random(shape), random(shape)]
  return () => swiglu(gate, up)
}
benchOp('swiglu on my-device', { device: myDevice.open({}), bytes, open })
benchOp('swiglu on the CPU device', { device: openCpuOrReference().device, bytes, open })
await run()
