/**
 * The quickstart in small: its model, its settings and its texts, with fewer and shorter steps, and perplexity before and after.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Device } from '../../core/mod.ts'
import { createBatches } from '../../plugins/data/mod.ts'
import { evaluateLoss, prepareRun, readFinetuneConfig, train } from '../../plugins/finetune/mod.ts'
import { ROOT } from '../_setup.ts'
import type { QuickstartAnswer, TaskOptions } from './tasks.ts'

const CONFIG = 'quickstart/quickstart.yaml'
/** About a hundred tokens, so that a short step holds some. */
const CHARACTERS = 400

export async function runQuickstart(
  device: Device,
  { threads, steps = 4, tokens = 128, evaluated = 4, folder = '.' }: TaskOptions,
): Promise<Omit<QuickstartAnswer, 'facts'>> {
  const trained = shortTexts('quickstart/moby-dick.train.jsonl', steps * 4, join(folder, 'train.jsonl'))
  const validation = shortTexts('quickstart/moby-dick.eval.jsonl', evaluated, join(folder, 'eval.jsonl'))
  const settings = {
    base_model: join(ROOT, 'quickstart/model'),
    output_dir: join(folder, 'adapter'),
    'datasets.0.path': trained,
    'test_datasets.0.path': validation,
    sequence_len: tokens,
    micro_batch_size: 1,
    eval_batch_size: 1,
    max_steps: steps,
    evals_per_epoch: 0,
    device: 'cpu',
    threads,
  }
  const overrides = Object.entries(settings).map(([key, value]) => `${key}=${JSON.stringify(value)}`)
  const config = readFinetuneConfig(readFileSync(join(ROOT, CONFIG), 'utf8'), CONFIG, { overrides })
  using run = await prepareRun(config)
  if (run.device.kind !== device.kind) throw new Error(`the run is on ${run.device.description}`)
  const batches = createBatches({
    examples: run.data.validation,
    microBatchSize: 1,
    sequenceLength: tokens,
    packing: true,
    seed: config.seed,
    shuffle: false,
  })
  const all = Array.from({ length: batches.length }, (_, i) => batches.get(i))
  const perplexity = (): number => Math.exp(evaluateLoss(run, all).loss)
  const before = perplexity()
  const losses: number[] = []
  await train(run, {
    onEvent(event) {
      if (event.type === 'step') losses.push(event.report.loss)
    },
  })
  return { before, after: perplexity(), losses }
}

/** The beginnings of the first lines, in a file of their own. */
function shortTexts(file: string, lines: number, path: string): string {
  const texts = readFileSync(join(ROOT, file), 'utf8')
    .trimEnd()
    .split('\n')
    .slice(0, lines)
    .map((line) => {
      const { text }: { text: string } = JSON.parse(line)
      return JSON.stringify({ text: text.slice(0, CHARACTERS) })
    })
  writeFileSync(path, `${texts.join('\n')}\n`)
  return path
}
