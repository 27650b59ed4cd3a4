/**
 * Trains quickstart/model from random weights with tritune's own trainer: `adapter: none` on the texts of prepare.ts.
 *
 *   bun scripts/recipes/tiny-llama/pretrain.ts [--resume] [--set key=value]…
 *
 * Ctrl-C stops after the current step with a checkpoint, from which --resume goes on.
 */
import { copyFileSync, existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { TrituneError } from '../../../core/errors.ts'
import { ensureInstalled, ROOT } from '../../_setup.ts'
import { TINY, writeRandomLlama } from './init.ts'
import { CACHE, MODEL } from './paths.ts'

const SEED = 7
const TOKENIZER_FILES = ['tokenizer.json', 'tokenizer_config.json']
const MODEL_FILES = ['config.json', 'generation_config.json', 'model.safetensors']

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      resume: { type: 'boolean', default: false },
      set: { type: 'string', multiple: true, default: [] },
    },
  })
  await ensureInstalled()
  const { createProgress, prepareRun, readFinetuneConfig, summarize, train } =
    await import('../../../plugins/finetune/mod.ts')
  process.chdir(ROOT)
  if (!values.resume) initialise()
  const file = join(import.meta.dirname, 'recipe.yaml')
  const config = readFinetuneConfig(readFileSync(file, 'utf8'), file, { overrides: values.set })
  using run = await prepareRun(config)
  console.log(summarize(run).join('\n'))

  const stop = new AbortController()
  process.once('SIGINT', () => stop.abort())
  const onEvent = createProgress({
    loggingSteps: config.logging_steps,
    terminal: process.stdout.isTTY,
    write: (text) => process.stdout.write(text),
  })
  const { stopped, best, outputDir } = await train(run, {
    onEvent,
    signal: stop.signal,
    resume: values.resume ? 'newest' : false,
  })
  if (stopped) return console.log('stopped; go on with --resume')
  for (const name of MODEL_FILES) copyFileSync(join(outputDir, name), join(MODEL, name))
  console.log(`${MODEL}: loss on held-out addresses ${best?.loss.toFixed(4)} (step ${best?.step})`)
}

/** Random weights and the tokenizer of prepare.ts, as a model folder. */
function initialise(): void {
  const folder = join(CACHE, 'init')
  if (!existsSync(join(MODEL, 'tokenizer.json')) || !existsSync(join(CACHE, 'sotu.train.jsonl'))) {
    throw new TrituneError('E_FILE', 'the tokenizer or the texts are missing', {
      place: CACHE,
      remedy: 'run scripts/recipes/tiny-llama/prepare.ts first',
    })
  }
  writeRandomLlama(folder, TINY, { seed: SEED, end: 0, pad: 1 })
  for (const name of TOKENIZER_FILES) copyFileSync(join(MODEL, name), join(folder, name))
}

if (import.meta.main) {
  try {
    await main()
  } catch (error) {
    console.error(error instanceof TrituneError ? error.message : error)
    process.exitCode = 1
  }
}
