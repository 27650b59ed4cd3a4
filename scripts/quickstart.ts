/**
 * `bun run quickstart`: a whole fine-tuning run on the bundled model, in less than two minutes on two CPU cores.
 *
 * The model has read nothing but State of the Union addresses; the run teaches it Moby-Dick with LoRA. Shown are the
 * perplexity on chapters that it is not trained on and a sample, before and after. The exit code is 1 when perplexity
 * falls by less than 30 %.
 */
import { readFileSync } from 'node:fs'
import { ensureInstalled, ROOT } from './_setup.ts'

const CONFIG = 'quickstart/quickstart.yaml'
const PROMPT = 'The captain stood'
const SAMPLE = { maxNewTokens: 60, temperature: 0.7, topP: 0.9, repetitionPenalty: 1.1, seed: 1 } as const
const NEEDED_FALL = 0.3

async function main(): Promise<boolean> {
  const began = performance.now()
  await ensureInstalled()
  const { createBatches } = await import('../plugins/data/mod.ts')
  const finetune = await import('../plugins/finetune/mod.ts')
  const { generate } = await import('../plugins/generate/mod.ts')
  process.chdir(ROOT)
  const config = finetune.readFinetuneConfig(readFileSync(CONFIG, 'utf8'), CONFIG)
  using run = await finetune.prepareRun(config)
  const { model, tokenizer, data } = run

  const perplexity = (): number => {
    const batches = createBatches({
      examples: data.validation,
      microBatchSize: config.eval_batch_size,
      sequenceLength: config.sequence_len,
      packing: config.eval_sample_packing,
      seed: config.seed,
      shuffle: false,
    })
    const all = Array.from({ length: batches.length }, (_, i) => batches.get(i))
    return Math.exp(finetune.evaluateLoss(run, all).loss)
  }
  const sample = (): string => {
    const prompt = tokenizer.encode(PROMPT, { addSpecialTokens: true })
    const stopIds = tokenizer.eosId === null ? [] : [tokenizer.eosId]
    return tokenizer.decode([...prompt, ...generate(model, prompt, { ...SAMPLE, stopIds })])
  }

  console.log('tritune quickstart: a model that knows only presidential speeches learns Moby-Dick\n')
  console.log(`${finetune.summarize(run).join('\n')}\n`)
  const before = { perplexity: perplexity(), sample: sample() }
  console.log(
    `before     perplexity ${before.perplexity.toFixed(1)} on chapters that are kept out of training`,
  )
  console.log(`           ${indent(before.sample)}\n`)
  const { outputDir } = await finetune.train(run, {
    onEvent: finetune.createProgress({
      loggingSteps: config.logging_steps,
      terminal: process.stdout.isTTY,
      write: (text) => process.stdout.write(text),
    }),
  })
  const after = { perplexity: perplexity(), sample: sample() }
  const fall = 1 - after.perplexity / before.perplexity
  console.log(`\nafter      perplexity ${after.perplexity.toFixed(1)}: ${(100 * fall).toFixed(1)} % lower`)
  console.log(`           ${indent(after.sample)}\n`)
  console.log(`adapter    ${outputDir}`)
  console.log(`time       ${finetune.formatDuration((performance.now() - began) / 1000)}`)
  console.log(`next       bun run generate --model ${config.base_model} --adapter ${outputDir} "${PROMPT}"`)
  console.log(`           bun run finetune ${CONFIG}    (edit a copy: your model, your data)`)
  if (fall >= NEEDED_FALL) return true
  console.error(`perplexity fell by ${(100 * fall).toFixed(1)} %, expected at least ${100 * NEEDED_FALL} %`)
  return false
}

/** Wraps at 100 columns under the first line. */
function indent(text: string): string {
  return text
    .replace(/\s+/g, ' ')
    .replace(/(.{1,88})(?: |$)/g, '$1\n           ')
    .trimEnd()
}

if (import.meta.main) {
  try {
    process.exitCode = (await main()) ? 0 : 1
  } catch (error) {
    console.error(error instanceof Error ? error.message : error)
    process.exitCode = 1
  }
}
