/**
 * The held-out loss after a LoRA run on plain or packed weights, for `bench qlora`; one line of JSON at the end.
 *
 *   bun scripts/bench/quant/qlora_loss.ts --model <folder or .gguf> [--quantizer nf4] [--gptq 64 [--texts <data>]] [--loftq 1] [--steps 200] [--rank 16] [--rate 2e-4] [--seed 7]
 *
 * `--gptq`: the base is packed as nf4 in blocks of so many, rounded by 128 examples of the training data (none of the held-out ones), or of `--texts`.
 * `--seed`: of the order of the data, of what is held out and of the adapter. `--steps 0`: the loss before training alone.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import type { Device, RunEvent } from '../../../core/mod.ts'
import { openCpu } from '../../../plugins/cpu/mod.ts'
import {
  calibrationTexts,
  evaluateLoss,
  type FinetuneConfig,
  finetuneConfig,
  loadGptq,
  prepareRun,
  saveQuantized,
  train,
} from '../../../plugins/finetune/mod.ts'
import { concatenate } from '../../../plugins/data/mod.ts'
import { novelPieces } from './_novel.ts'

const HELD_OUT = 24
const CALIBRATION = 128

const { values } = parseArgs({
  options: {
    model: { type: 'string' },
    quantizer: { type: 'string', default: 'none' },
    gptq: { type: 'string' },
    texts: { type: 'string' },
    loftq: { type: 'string', default: '0' },
    steps: { type: 'string', default: '200' },
    length: { type: 'string', default: '256' },
    batch: { type: 'string', default: '2' },
    rank: { type: 'string', default: '16' },
    rate: { type: 'string', default: '2e-4' },
    threads: { type: 'string', default: '0' },
    seed: { type: 'string', default: '7' },
  },
})
const loftq = Number(values.loftq)
const steps = Number(values.steps)
if (!values.model) throw new Error('--model is missing')
const folder = mkdtempSync(join(tmpdir(), 'tritune-qlora-'))
try {
  writeFileSync(join(folder, 'data.jsonl'), novelPieces())
  const config = finetuneConfig.validate({
    base_model: values.model,
    adapter: 'lora',
    quantizer: values.quantizer === 'none' ? null : values.quantizer,
    lora_r: Number(values.rank),
    lora_alpha: 2 * Number(values.rank),
    lora_target_linear: true,
    ...(loftq > 0 ? { peft: { loftq_config: { loftq_bits: 4, loftq_iter: loftq } } } : {}),
    bf16: true,
    sequence_len: Number(values.length),
    sample_packing: true,
    micro_batch_size: Number(values.batch),
    max_steps: Math.max(1, steps),
    learning_rate: Number(values.rate),
    datasets: [{ path: join(folder, 'data.jsonl'), type: 'completion' }],
    val_set_size: HELD_OUT,
    eval_strategy: 'no',
    save_strategy: 'no',
    seed: Number(values.seed),
    output_dir: join(folder, 'out'),
  })
  const cpu = openCpu({ threads: Number(values.threads) })
  const base = values.gptq === undefined ? null : await roundedBase(config, cpu, Number(values.gptq))
  using run = await prepareRun(base ? { ...config, base_model: base.folder } : config, { device: cpu })
  const { model, device } = run
  const batches = run.data.validation.map((example) => concatenate([example]))
  const loss = (): number => evaluateLoss({ model, device }, batches).loss
  const before = loss()
  const losses: number[] = []
  const started = performance.now()
  const onEvent = (event: RunEvent): void => {
    if (event.type !== 'step') return
    losses.push(event.report.loss)
    if (losses.length % 20 === 0) process.stderr.write(`${losses.length}: ${event.report.loss.toFixed(4)}\n`)
  }
  if (steps > 0) await train(run, { onEvent })
  const seconds = (performance.now() - started) / 1000
  const done = { ready: true, before, after: loss(), steps: losses.length, seconds }
  console.log(JSON.stringify({ ...done, roundingSeconds: base?.seconds ?? 0 }))
} finally {
  rmSync(folder, { recursive: true, force: true })
}

/** The base in a folder, rounded by examples that the run trains on. */
async function roundedBase(
  config: FinetuneConfig,
  device: Device,
  block: number,
): Promise<{ readonly folder: string; readonly seconds: number }> {
  using run = await prepareRun(config, { device })
  const texts = values.texts
    ? await calibrationTexts(values.texts, run.modelPath, { rows: CALIBRATION })
    : run.data.train.slice(0, CALIBRATION).map((example) => concatenate([example]).ids)
  const started = performance.now()
  using model = loadGptq(run.modelPath, texts, { device, dtype: 'bf16', block })
  const seconds = (performance.now() - started) / 1000
  const rounded = join(folder, 'rounded')
  saveQuantized(model, run.modelPath, rounded)
  process.stderr.write(`rounded in ${seconds.toFixed(0)} s\n`)
  return { folder: rounded, seconds }
}
