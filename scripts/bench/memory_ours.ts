/**
 * One run on a model folder, for `bench memory` and `bench estimate`: prints the estimate and the peak of the process as one line of JSON.
 *
 *   bun scripts/bench/memory_ours.ts --model <folder> [--length 1024] [--steps 2] [--memory lean] [--offload disk] [--method lora|qlora|full]
 *     [--optimizer adamw_8bit] [--keep-activations] [--f32]
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { createRandom } from '../../core/mod.ts'
import { openCpu } from '../../plugins/cpu/mod.ts'
import { estimateMemory, finetuneConfig, prepareRun, train } from '../../plugins/finetune/mod.ts'

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
const LORA = { adapter: 'lora', lora_r: 16, lora_alpha: 32, lora_target_linear: true }
const METHODS: Readonly<Record<string, object>> = {
  lora: LORA,
  qlora: { ...LORA, adapter: 'qlora', load_in_4bit: true },
  full: { adapter: 'none' },
}
if (!values.model) throw new Error('--model is missing')
const length = Number(values.length)
const folder = mkdtempSync(join(tmpdir(), 'tritune-memory-'))
try {
  const { vocab_size: vocab } = JSON.parse(readFileSync(join(values.model, 'config.json'), 'utf8'))
  const random = createRandom(3, 'bench/tokens')
  const rows = Array.from({ length: 4 }, () => {
    const ids = Array.from({ length }, () => random.int(vocab))
    return `${JSON.stringify({ input_ids: ids, labels: ids })}\n`
  })
  writeFileSync(join(folder, 'data.jsonl'), rows.join(''))
  const config = finetuneConfig.validate({
    base_model: values.model,
    ...METHODS[values.method],
    bf16: !values.f32,
    optimizer: values.optimizer,
    gradient_checkpointing: !values['keep-activations'],
    activation_offloading: values.offload ?? false,
    memory: values.memory,
    sequence_len: length,
    max_steps: Number(values.steps),
    learning_rate: 1e-4,
    datasets: [{ path: join(folder, 'data.jsonl') }],
    output_dir: join(folder, 'out'),
    save_strategy: 'no',
  })
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
