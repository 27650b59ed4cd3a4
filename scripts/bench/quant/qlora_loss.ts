/**
 * The held-out loss after a LoRA run on plain or packed weights, for `bench qlora`; one line of JSON at the end.
 *
 *   bun scripts/bench/quant/qlora_loss.ts --model <folder or .gguf> [--quantizer nf4] [--loftq 1] [--steps 200] [--rank 16] [--rate 2e-4]
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { openCpu } from '../../../plugins/cpu/mod.ts'
import { evaluateLoss, finetuneConfig, prepareRun, train } from '../../../plugins/finetune/mod.ts'
import { concatenate } from '../../../plugins/data/mod.ts'
import { novelPieces } from './_novel.ts'

const HELD_OUT = 24

const { values } = parseArgs({
  options: {
    model: { type: 'string' },
    quantizer: { type: 'string', default: 'none' },
    loftq: { type: 'string', default: '0' },
    steps: { type: 'string', default: '200' },
    length: { type: 'string', default: '256' },
    batch: { type: 'string', default: '2' },
    rank: { type: 'string', default: '16' },
    rate: { type: 'string', default: '2e-4' },
    threads: { type: 'string', default: '0' },
  },
})
const loftq = Number(values.loftq)
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
    max_steps: Number(values.steps),
    learning_rate: Number(values.rate),
    datasets: [{ path: join(folder, 'data.jsonl'), type: 'completion' }],
    val_set_size: HELD_OUT,
    eval_strategy: 'no',
    save_strategy: 'no',
    seed: 7,
    output_dir: join(folder, 'out'),
  })
  using run = await prepareRun(config, { device: openCpu({ threads: Number(values.threads) }) })
  const { model, device } = run
  const batches = run.data.validation.map((example) => concatenate([example]))
  const loss = (): number => evaluateLoss({ model, device }, batches).loss
  const before = loss()
  const losses: number[] = []
  const started = performance.now()
  await train(run, {
    onEvent(event) {
      if (event.type !== 'step') return
      losses.push(event.report.loss)
      if (losses.length % 20 === 0)
        process.stderr.write(`${losses.length}: ${event.report.loss.toFixed(4)}\n`)
    },
  })
  const seconds = (performance.now() - started) / 1000
  console.log(JSON.stringify({ ready: true, before, after: loss(), steps: losses.length, seconds }))
} finally {
  rmSync(folder, { recursive: true, force: true })
}
