/**
 * One section of the GPU benchmark in a process of its own: what hangs or crashes in it ends nothing else. Prints one
 * JSON object a line.
 *
 *   bun scripts/bench/gpu_section.ts '{"section": "gemm", "emulated": false, …}'
 */
import { attention } from './gpu/attention.ts'
import { crossEntropy } from './gpu/cross-entropy.ts'
import { endToEnd } from './gpu/end-to-end.ts'
import { environment } from './gpu/environment.ts'
import { gemm, wgmma } from './gpu/gemm.ts'
import { losses } from './gpu/losses.ts'
import { ops } from './gpu/ops.ts'
import { lora, packed, vsa } from './gpu/packed.ts'
import { type GpuResult, resultOf } from './gpu/result.ts'
import { type GpuOptions, messageOf, openRig, type Rig } from './gpu/rig.ts'
import { streams } from './gpu/streams.ts'

const SECTIONS: Readonly<Record<string, (rig: Rig) => void | Promise<void>>> = {
  environment,
  wgmma,
  ops,
  losses,
  attention,
  'cross-entropy': crossEntropy,
  gemm,
  streams,
  packed,
  lora,
  vsa,
  'end-to-end': endToEnd,
}

const options: GpuOptions = JSON.parse(process.argv[2])
const say = (result: GpuResult): void => void process.stdout.write(`${JSON.stringify(result)}\n`)
try {
  await using rig = openRig(options, say)
  await SECTIONS[options.section](rig)
} catch (error) {
  say(resultOf(options.section, { name: 'the section', ok: false, note: messageOf(error) }))
}
