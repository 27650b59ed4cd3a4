/**
 * `bun run quickstart`: a whole fine-tuning run on the bundled model.
 *
 * The model has read nothing but State of the Union addresses; the run teaches it Moby-Dick with LoRA. Shown are the
 * perplexity on chapters that it is not trained on and a sample, before and after. The exit code is 1 when perplexity
 * falls by less than 30 %.
 */
import { readFileSync } from 'node:fs'
import { invocation, isCheckout } from '../../core/invocation.ts'
import type { Command } from '../_cli.ts'
import { ownFile } from '../init/own-file.ts'
import { ensureInstalled, ROOT } from '../_setup.ts'
import { out } from '../terminal/streams.ts'

const help =
  (): string => `Fine-tune the bundled model on the bundled text: the settings are in quickstart/quickstart.yaml.

  ${invocation('quickstart')} [options]

  --set key=value   change a setting of the run; may be repeated
  --help            this text
`

const CONFIG = 'quickstart/quickstart.yaml'
const PROMPT = 'The captain stood'
const SAMPLE = { maxNewTokens: 60, temperature: 0.7, topP: 0.9, repetitionPenalty: 1.1, seed: 1 } as const
const NEEDED_FALL = 0.3

const OPTIONS = { set: { type: 'string', multiple: true } } as const

export const quickstart: Command<typeof OPTIONS> = {
  help,
  positionals: { min: 0, max: 0 },
  output: 'report',
  options: OPTIONS,
  async run({ values }) {
    const began = performance.now()
    await ensureInstalled()
    if (isCheckout()) process.chdir(ROOT)
    const fall = await trainAndCompare(values.set ?? [])
    console.log(`time       ${((performance.now() - began) / 1000).toFixed(0)} s`)
    if (fall >= NEEDED_FALL) return
    console.error(`perplexity fell by ${percent(fall)}, expected at least ${percent(NEEDED_FALL)}`)
    process.exitCode = 1
  },
}

/** Runs it and prints; returns the part by which perplexity fell. */
async function trainAndCompare(overrides: readonly string[]): Promise<number> {
  const { createBatches } = await import('../../plugins/data/mod.ts')
  const { streamText } = await import('../../plugins/generate/mod.ts')
  const { createProgress, evaluateLoss, prepareRun, readFinetuneConfig, summarize, train } =
    await import('../../plugins/finetune/mod.ts')
  console.log('tritune quickstart: a model that knows only presidential speeches reads Moby-Dick\n')
  const config = readFinetuneConfig(configText(), CONFIG, { overrides })
  using run = await prepareRun(config)
  console.log(`${summarize(run).join('\n')}\n`)

  const show = (when: string): number => {
    const batches = createBatches({
      examples: run.data.validation,
      microBatchSize: config.eval_batch_size,
      sequenceLength: config.sequence_len,
      packing: config.eval_sample_packing,
      seed: config.seed,
      shuffle: false,
    })
    const all = Array.from({ length: batches.length }, (_, i) => batches.get(i))
    const perplexity = Math.exp(evaluateLoss(run, all).loss)
    const text = [...streamText(run.model, run.tokenizer.inner, { prompt: PROMPT }, SAMPLE)].join('')
    console.log(`${when.padEnd(10)} perplexity ${perplexity.toFixed(1)} on chapters that are not trained on`)
    console.log(`${wrap(`${PROMPT}${text} …`)}\n`)
    return perplexity
  }

  const before = show('before')
  await train(run, {
    monitors: [
      createProgress({
        loggingSteps: config.logging_steps,
        terminal: out.terminal,
        columns: out.columns,
        write: out.write,
      }),
    ],
  })
  console.log()
  const fall = 1 - show('after') / before
  const { base_model: model, output_dir: adapter } = config
  console.log(`perplexity fell by ${percent(fall)}; the adapter is in ${adapter}`)
  console.log(`next       ${invocation('generate')} ${model} --adapter ${adapter} --prompt "${PROMPT}"`)
  console.log(`           ${invocation('init')}   (writes a file to edit: your model, your data)`)
  return fall
}

/** In an installed package the model and the data lie there, and what is made belongs where the person stands. */
function configText(): string {
  const text = readFileSync(ROOT + CONFIG, 'utf8')
  return isCheckout()
    ? text
    : text.replaceAll(/: (quickstart\/.+)/g, (_, path) => `: ${JSON.stringify(ownFile(path))}`)
}

function percent(part: number): string {
  return `${(100 * part).toFixed(1)} %`
}

/** Lines of at most 100 columns, indented below the names of the rows. */
function wrap(text: string): string {
  return text
    .replace(/\s+/g, ' ')
    .replace(/(.{1,89})(?: |$)/g, '           $1\n')
    .trimEnd()
}
