/**
 * One run on a model folder, for `bench memory` and `bench estimate`: prints the estimate and the peak of the process as one line of JSON.
 *
 *   bun scripts/bench/memory/memory_ours.ts --model <folder> [--length 1024] [--steps 2] [--memory lean] [--offload disk] [--method lora|qlora|full]
 *     [--optimizer adamw_8bit] [--keep-activations] [--f32]
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { openCpu } from '../../../plugins/cpu/mod.ts'
import { estimateMemory, finetuneConfig, prepareRun, train } from '../../../plugins/finetune/mod.ts'
import { isMethod, memoryKeys } from './_memory-config.ts'

function vm(field: 'VmRSS' | 'VmHWM'): number {
  const found = new RegExp(`^${field}:\\s+(\\d+)`, 'm').exec(readFileSync('/proc/self/status', 'utf8'))
  return Number(found?.[1] ?? 0) * 1024
}

const { values } = parseArgs({
  options: {
    model: { type: 'string' },
    length: { type: 'string', default: '1024' },
    steps: { type: 'string', default: '2' },
    memory: { type: 'string', default: 'auto' },
    offload: { type: 'string' },
    method: { type: 'string', default: 'qlora' },
    'keep-activations': { type: 'boolean' },
    f32: { type: 'boolean' },
    optimizer: { type: 'string', default: 'adamw_8bit' },
    threads: { type: 'string', default: '0' },
  },
})
if (!values.model) throw new Error('--model is missing')
if (!isMethod(values.method)) throw new Error(`--method: there is no ${values.method}`)
const { memory } = values
if (memory !== 'auto' && memory !== 'lean' && memory !== 'fast')
  throw new Error('--memory: auto, lean or fast')
const folder = mkdtempSync(join(tmpdir(), 'tritune-memory-'))
try {
  const keys = memoryKeys(
    {
      model: values.model,
      method: values.method,
      length: Number(values.length),
      steps: Number(values.steps),
      memory,
      offload: values.offload === 'disk' ? 'disk' : false,
      optimizer: values.optimizer,
      checkpointing: !values['keep-activations'],
      bf16: !values.f32,
    },
    folder,
  )
  const config = finetuneConfig.validate(keys)
  const started = performance.now()
  using run = await prepareRun(config, { device: openCpu({ threads: Number(values.threads) }) })
  const [loadPeak, loaded] = [vm('VmHWM'), vm('VmRSS')]
  const loadSeconds = (performance.now() - started) / 1000
  const parts = estimateMemory(run)
  const losses: number[] = []
  const began = performance.now()
  await train(run, { onEvent: (event) => void (event.type === 'step' && losses.push(event.report.loss)) })
  const seconds = (performance.now() - began) / 1000
  const estimate = Object.values(parts).reduce((sum, bytes) => sum + bytes, 0)
  const device = run.device.memory()
  console.log(
    JSON.stringify({
      ready: true,
      estimate,
      parts,
      loadPeak,
      loaded,
      loadSeconds,
      peak: vm('VmHWM'),
      seconds,
      losses,
      device,
    }),
  )
} finally {
  rmSync(folder, { recursive: true, force: true })
}
