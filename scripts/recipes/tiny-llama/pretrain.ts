/**
 * Trains quickstart/model from random weights with tritune's own trainer: `adapter: none` on the texts of prepare.ts.
 * Ctrl-C stops after the current step with a checkpoint, from which --resume goes on.
 */
import { copyFileSync, existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { TrituneError } from '../../../core/errors.ts'
import { runCommand } from '../../_cli.ts'
import { ensureInstalled, ROOT } from '../../_setup.ts'
import { TINY, writeRandomLlama } from './init.ts'
import { CACHE, MODEL } from './paths.ts'

const HELP = `Train the model of the quickstart from random weights, as recipe.yaml says.

  bun scripts/recipes/tiny-llama/pretrain.ts [--resume] [--set key=value]…

  --set key=value   change a setting of the recipe; may be repeated
  --resume          continue from the newest checkpoint
`

const RECIPE = 'scripts/recipes/tiny-llama/recipe.yaml'
const SEED = 7
const TOKENIZER_FILES = ['tokenizer.json', 'tokenizer_config.json']
const MODEL_FILES = ['config.json', 'generation_config.json', 'model.safetensors']

await runCommand({
  help: HELP,
  positionals: { min: 0, max: 0 },
  options: { resume: { type: 'boolean' }, set: { type: 'string', multiple: true } },
  async run({ values: { resume = false, set: overrides = [] } }) {
    await ensureInstalled()
    process.chdir(ROOT)
    const { createProgress, prepareRun, readFinetuneConfig, summarize, train } =
      await import('../../../plugins/finetune/mod.ts')
    if (!resume) initialise()
    const config = readFinetuneConfig(readFileSync(RECIPE, 'utf8'), RECIPE, { overrides })
    using run = await prepareRun(config)
    console.log(summarize(run).join('\n'))

    const stop = new AbortController()
    process.once('SIGINT', () => stop.abort())
    const { stopped, best, outputDir } = await train(run, {
      monitors: [
        createProgress({
          loggingSteps: config.logging_steps,
          terminal: process.stdout.isTTY === true,
          write: (text) => process.stdout.write(text),
        }),
      ],
      signal: stop.signal,
      resume: resume ? 'newest' : false,
    })
    if (stopped) return console.log('stopped; go on with --resume')
    for (const name of MODEL_FILES) copyFileSync(join(outputDir, name), join(MODEL, name))
    console.log(`${MODEL}: loss on held-out addresses ${best?.loss.toFixed(4)} (step ${best?.step})`)
  },
})

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
