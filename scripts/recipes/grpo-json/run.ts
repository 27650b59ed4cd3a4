/**
 * The whole recipe: the bundled model learns ways to answer, then, by rewards alone, the one that is asked for.
 *
 *   bun scripts/recipes/grpo-json/run.ts          data, both trainings, the answers before and after, docs/grpo-reward.svg
 *   bun scripts/recipes/grpo-json/run.ts --draw   the answers and the picture again, from what an earlier call left
 */
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { writeFileAtomic } from '../../../core/files/atomic.ts'
import { openGenerator } from '../../../plugins/generate/mod.ts'
import { drawCurves } from './draw-curves.ts'
import { isObject } from './rewards.ts'
import { questions } from './sums.ts'

const ROOT = join(import.meta.dirname, '../../..')
const HERE = 'scripts/recipes/grpo-json'
const WARM_UP = join(ROOT, '.cache/grpo-json/warm-up')
const OUTPUT = join(ROOT, 'outputs/grpo-json')

if (!process.argv.includes('--draw')) {
  runBun(`${HERE}/make-data.ts`)
  runBun('scripts/finetune.ts', `${HERE}/warm-up.yaml`, '--overwrite')
  runBun('scripts/finetune.ts', `${HERE}/grpo.yaml`, '--overwrite')
}
await answer('before', undefined)
await answer('after', OUTPUT)
draw()

// ---- helpers ----------------------------------------------------------------------------------------------------

function runBun(...args: readonly string[]): void {
  const { status } = spawnSync(process.execPath, args, { cwd: ROOT, stdio: 'inherit' })
  if (status !== 0) process.exit(status ?? 1)
}

/** The likeliest answers to all questions. */
async function answer(when: string, adapter: string | undefined): Promise<void> {
  using generator = await openGenerator(WARM_UP, adapter === undefined ? {} : { adapter })
  const all = questions()
  const texts = all.map(({ prompt }) => [...generator.stream({ prompt }, { maxNewTokens: 16 })].join(''))
  const right = texts.filter((text, i) => sumIn(text) === all[i].answer).length
  console.log(
    `${when}: ${right} of ${all.length} likeliest answers are right, such as ${JSON.stringify(texts[23])}`,
  )
}

function sumIn(text: string): unknown {
  const context = {
    prompts: [],
    records: [],
    completionIds: [],
    ended: [],
    step: 0,
    signal: new AbortController().signal,
  }
  const found = isObject([text], context)
  return Array.isArray(found) && found[0] === 1 ? Reflect.get(JSON.parse(text), 'sum') : undefined
}

function draw(): void {
  const steps = readFileSync(join(OUTPUT, 'metrics.jsonl'), 'utf8')
    .trim()
    .split('\n')
    .map((line): Record<string, number> => JSON.parse(line))
  const curve = (name: string, key: string): { name: string; values: number[] } => ({
    name,
    values: steps.map((step) => step[key]),
  })
  const seconds = steps.reduce((sum, step) => sum + step.seconds, 0)
  const [first, last] = [steps[0], steps[steps.length - 1]]
  const file = join(ROOT, 'docs/grpo-reward.svg')
  const curves = [
    curve('reward', 'reward'),
    curve('a JSON object', 'rewards/isObject/mean'),
    curve('a number as sum', 'rewards/hasSum/mean'),
    curve('the right sum', 'rewards/isRight/mean'),
  ]
  writeFileAtomic(
    file,
    drawCurves(
      curves,
      'Rewards of sums as JSON, by step',
      `128 completions a step, sampled at temperature 1, seed 1. bun ${HERE}/run.ts`,
    ),
  )
  const reached = steps.findIndex(({ reward }) => reward > 0.8)
  const until = steps.slice(0, reached + 1).reduce((sum, step) => sum + step.seconds, 0)
  console.log(
    `reward ${first.reward.toFixed(3)} in step 1, ${last.reward.toFixed(3)} in step ${steps.length}; above 0.8 first in step ${reached + 1}, after ${until.toFixed(0)} s of ${seconds.toFixed(0)}; drawn in ${file}`,
  )
}
