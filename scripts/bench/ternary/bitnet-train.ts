/**
 * A BitNet of 4.0 M parameters, trained from random weights on presidential speeches, beside the same model in f32 after as many tokens:
 * perplexity on speeches that neither read, for three seeds. The control is the f32 model rounded after training. Then a LoRA on the packed
 * BitNet reads Moby-Dick: what it does on other chapters, and whether the base is what it was.
 */
import { createHash } from 'node:crypto'
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { openCpu } from '../../../plugins/cpu/mod.ts'
import { concatenate } from '../../../plugins/data/mod.ts'
import {
  evaluateLoss,
  finetuneConfig,
  type FinetuneInput,
  prepareRun,
  type Run,
  saveQuantized,
  train,
} from '../../../plugins/finetune/mod.ts'
import { loadModel } from '../../../plugins/models/mod.ts'
import { temporaryFolder } from '../../../tests/_golden.ts'
import { ROOT } from '../../_setup.ts'
import { TINY, writeRandomLlama } from '../../recipes/tiny-llama/init.ts'
import { quickstartTexts, toJsonl } from '../../recipes/tiny-llama/prepare.ts'
import { mean } from '../_measure.ts'
import type { BenchContext, Row, Topic } from '../_topic.ts'

/** Steps of 1024 tokens. `--only "seed 2"` takes one seed. */
const FULL = { seeds: [1, 2, 3], steps: 1500, loraSteps: 60 }
const QUICK = { seeds: [1], steps: 40, loraSteps: 15 }
/** That of the recipe of quickstart/model, and a third more: rounded weights move only when they pass a border. */
const RATES = { plain: 3e-3, bitnet: 4e-3 }

export const bitnetTrain: Topic = {
  name: 'bitnet-train',
  async run(context) {
    const { seeds, steps, loraSteps } = context.quick ? QUICK : FULL
    using temporary = temporaryFolder()
    const texts = quickstartTexts()
    const file = (name: string, passages: readonly string[]): string => {
      const path = join(temporary.path, `${name}.jsonl`)
      writeFileSync(path, toJsonl(passages))
      return path
    }
    const speeches = {
      train: file('speeches', texts.pretrain),
      // Some ten thousand tokens.
      held: file('speeches-held-out', texts.pretrainEval.slice(0, 60)),
    }
    const novel = {
      train: file('novel', texts.train),
      held: file('novel-held-out', texts.eval.slice(0, 60)),
    }
    const results: Result[] = []
    for (const seed of seeds) {
      if (context.only !== null && !`seed ${seed}`.includes(context.only)) continue
      const folder = join(temporary.path, `seed-${seed}`)
      results.push(await measure({ context, folder, seed, steps, loraSteps, speeches, novel }))
    }
    // After so few steps as of --quick nothing is judged.
    return rows(results).map((row) =>
      context.quick && row.unit === 'perplexity' ? { ...row, floor: null, goal: null } : row,
    )
  },
}

// ---- helpers ----------------------------------------------------------------------------------------------------

interface Texts {
  readonly train: string
  readonly held: string
}

interface Task {
  readonly context: BenchContext
  readonly folder: string
  readonly seed: number
  readonly steps: number
  readonly loraSteps: number
  readonly speeches: Texts
  readonly novel: Texts
}

/** Perplexities on held-out text. */
interface Result {
  readonly plain: number
  readonly bitnet: number
  readonly packed: number
  readonly control: number
  readonly before: number
  readonly after: number
  readonly isSameBase: boolean
}

async function measure({
  context: { threads, progress },
  folder,
  seed,
  steps,
  loraSteps,
  speeches,
  novel,
}: Task): Promise<Result> {
  const device = openCpu({ threads })
  const start = join(folder, 'start')
  writeRandomLlama(start, TINY, { seed, end: 0, pad: 1 })
  for (const name of ['tokenizer.json', 'tokenizer_config.json'])
    copyFileSync(join(ROOT, 'quickstart/model', name), join(start, name))
  const run = async (name: string, own: Partial<FinetuneInput>, texts: Texts): Promise<Trained> => {
    const config = finetuneConfig.validate({ ...common(texts, seed), output_dir: join(folder, name), ...own })
    using open = await prepareRun(config, { device })
    const before = perplexity(open)
    await train(open, {
      onEvent(event) {
        if (event.type === 'step' && event.report.step % 50 === 0)
          progress(`seed ${seed}, ${name}: step ${event.report.step}, loss ${event.report.loss.toFixed(3)}`)
      },
    })
    const after = perplexity(open)
    progress(`seed ${seed}, ${name}: perplexity ${before.toFixed(2)} → ${after.toFixed(2)}`)
    return { before, after, folder: config.output_dir }
  }
  const whole = { base_model: start, adapter: 'none', max_steps: steps } as const
  const plain = await run('f32', { ...whole, learning_rate: RATES.plain }, speeches)
  const schedule = { lr_scheduler: 'two_stage', learning_rate: RATES.bitnet } as const
  const bitnet = await run('BitNet', { ...whole, ...schedule, quantizer: 'bitnet' }, speeches)
  const packed = join(folder, 'packed')
  {
    using model = loadModel(bitnet.folder, { device })
    saveQuantized(model, bitnet.folder, packed)
  }
  const lora: Partial<FinetuneInput> = {
    adapter: 'lora',
    lora_r: 16,
    lora_alpha: 32,
    lora_target_linear: true,
    max_steps: loraSteps,
    learning_rate: 3e-3,
  }
  const first = hashOf(packed)
  const adapted = await run('LoRA on BitNet', { ...lora, base_model: packed }, novel)
  const idle = { ...lora, max_steps: 1, learning_rate: 1e-12 }
  const rounded = await run(
    'f32, rounded after training',
    { ...idle, base_model: plain.folder, quantizer: 'bitnet' },
    speeches,
  )
  const same = await run('BitNet, packed', { ...idle, base_model: packed }, speeches)
  return {
    plain: plain.after,
    bitnet: bitnet.after,
    packed: same.before,
    control: rounded.before,
    before: adapted.before,
    after: adapted.after,
    isSameBase: first === hashOf(packed),
  }
}

interface Trained {
  readonly before: number
  readonly after: number
  readonly folder: string
}

function common({ train: path, held }: Texts, seed: number): FinetuneInput {
  return {
    base_model: '',
    datasets: [{ path, type: 'completion' }],
    test_datasets: [{ path: held, type: 'completion' }],
    sequence_len: 512,
    sample_packing: true,
    micro_batch_size: 2,
    learning_rate: 1,
    warmup_ratio: 0.1,
    weight_decay: 0.1,
    adam_beta2: 0.95,
    bf16: false,
    eval_strategy: 'no',
    save_strategy: 'no',
    seed,
  }
}

function perplexity({ model, device, data }: Run): number {
  return Math.exp(
    evaluateLoss(
      { model, device },
      data.validation.map((example) => concatenate([example])),
    ).loss,
  )
}

function hashOf(folder: string): string {
  return createHash('sha256')
    .update(readFileSync(join(folder, 'model.safetensors')))
    .digest('hex')
}

function rows(results: readonly Result[]): Row[] {
  const compared = (
    name: string,
    ours: (one: Result) => number,
    peer: (one: Result) => number,
    limits: Pick<Row, 'floor' | 'goal' | 'better'>,
  ): Row => {
    const ratios = results.map((one) => ours(one) / peer(one))
    return {
      name,
      ours: mean(results.map(ours)),
      peer: mean(results.map(peer)),
      unit: 'perplexity',
      ratio: mean(ratios),
      ...limits,
      note: `ratios ${ratios.map((ratio) => ratio.toFixed(3)).join(', ')}; spread ${(Math.max(...ratios) - Math.min(...ratios)).toFixed(3)}`,
    }
  }
  const same = results.filter(({ isSameBase }) => isSameBase).length
  return [
    compared(
      'BitNet over f32 after equal tokens',
      (one) => one.bitnet,
      (one) => one.plain,
      {
        floor: 1.05,
        goal: 1,
        better: 'lower',
      },
    ),
    compared(
      'packed BitNet over what was trained',
      (one) => one.packed,
      (one) => one.bitnet,
      {
        floor: 1.001,
        goal: null,
        better: 'lower',
      },
    ),
    compared(
      'control: f32 rounded after training, over f32',
      (one) => one.control,
      (one) => one.plain,
      {
        floor: 1.5,
        goal: null,
        better: 'higher',
      },
    ),
    compared(
      'LoRA on packed BitNet over BitNet, another text',
      (one) => one.after,
      (one) => one.before,
      {
        floor: 0.8,
        goal: null,
        better: 'lower',
      },
    ),
    {
      name: 'bases whose bytes are the same after the LoRA',
      ours: same,
      peer: results.length,
      unit: 'models',
      ratio: same / results.length,
      floor: 1,
      goal: null,
      better: 'higher',
    },
  ]
}
