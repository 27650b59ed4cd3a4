/**
 * One step of the GPU benchmark in a process of its own: what hangs or crashes in it ends nothing else. Prints one
 * entry of the journal a line.
 *
 *   bun scripts/bench/gpu_section.ts '{"section": "gemm", "step": "gemm", "emulated": false, …}'
 */
import { attention } from './gpu/attention.ts'
import { crossEntropy } from './gpu/cross-entropy.ts'
import { endToEnd } from './gpu/end-to-end.ts'
import { environment } from './gpu/environment.ts'
import { afterBadIndex, badIndex, engines, memory, wgmmaOnce } from './gpu/first-contact.ts'
import { gemm, wgmma } from './gpu/gemm.ts'
import type { Entry } from './gpu/journal.ts'
import { losses } from './gpu/losses.ts'
import { ops, opsOnly } from './gpu/ops.ts'
import { lora, packed, vsa } from './gpu/packed.ts'
import { type GpuResult, resultOf } from './gpu/result.ts'
import { computerOf, type GpuOptions, messageOf, openRig, type Rig } from './gpu/rig.ts'
import { sanitizer, wildWrite } from './gpu/sanitizer.ts'
import { streams } from './gpu/streams.ts'

const STEPS: Readonly<Record<string, (rig: Rig) => void | Promise<void>>> = {
  environment,
  engines,
  'wgmma-once': wgmmaOnce,
  'bad-index': badIndex,
  'after-bad-index': afterBadIndex,
  memory,
  ops,
  losses,
  'end-to-end': endToEnd,
  attention,
  gemm,
  'cross-entropy': crossEntropy,
  streams,
  lora,
  packed,
  wgmma,
  vsa,
  // What the sanitizer watches.
  'ops-only': opsOnly,
  'wild-write': wildWrite,
}

const options: GpuOptions = JSON.parse(process.argv[2])
const say = (entry: Entry): void => void process.stdout.write(`${JSON.stringify(entry)}\n`)
const report = (result: GpuResult): void => say({ kind: 'result', ...result })
try {
  // It starts other processes and needs no device itself.
  if (options.step === 'sanitizer') await sanitizer(options, report)
  else {
    await using rig = openRig(options, report)
    say(computerOf(rig))
    await STEPS[options.step](rig)
  }
} catch (error) {
  report(resultOf(options.section, { name: `the step ${options.step}`, ok: false, note: messageOf(error) }))
}
