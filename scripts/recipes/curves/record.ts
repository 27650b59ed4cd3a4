/**
 * Records what runs of the bundled model report, for the tests of the advisors (tests/golden/curves): `bun scripts/recipes/curves/record.ts`.
 *
 * A run that is there already is not made again: remove its line first. One JSON object a line: loss, gradient norm and learning rate of each step, and how the run ended. Numbers have four digits.
 */
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { TrituneError } from '../../../core/mod.ts'
import { finetuneConfig, type FinetuneInput, prepareRun, train } from '../../../plugins/finetune/mod.ts'
import { ROOT } from '../../_setup.ts'
import { CURVE_RUNS, type CurveRun } from './settings.ts'

const OUTPUT = `${ROOT}tests/golden/curves/`
const EVALUATION = `${ROOT}quickstart/moby-dick.eval.jsonl`
const EVALUATED_TEXTS = 12

interface Recorded {
  readonly loss: number[]
  readonly grad_norm: number[]
  readonly learning_rate: number[]
  readonly evaluations: [step: number, loss: number][]
}

process.chdir(ROOT)
mkdirSync(OUTPUT, { recursive: true })
/** Kinds; all when none is named. */
const only = process.argv.slice(2)
for (const run of CURVE_RUNS) {
  if (only.length > 0 && !only.includes(run.kind)) continue
  const file = run.kind === 'healthy' ? 'healthy.jsonl' : 'unhealthy.jsonl'
  const before = existsSync(OUTPUT + file) ? readFileSync(OUTPUT + file, 'utf8') : ''
  if (before.includes(`"name":"${run.name}"`)) continue
  const recorded = await record(run)
  const { kind, name } = run
  console.log(name, recorded.loss.length, recorded.loss[0], recorded.loss.at(-1), recorded.error ?? '')
  appendFileSync(OUTPUT + file, `${JSON.stringify({ name, kind, ...recorded })}\n`)
}

// ---- helpers ----------------------------------------------------------------------------------------------------

async function record(asked: CurveRun): Promise<Recorded & { readonly error?: string }> {
  const folder = mkdtempSync(join(tmpdir(), 'tritune-curve-'))
  const recorded: Recorded = { loss: [], grad_norm: [], learning_rate: [], evaluations: [] }
  try {
    using run = await prepareRun(finetuneConfig.validate(settingsIn(folder, asked)))
    await train(run, {
      onEvent(event) {
        if (event.type === 'eval') recorded.evaluations.push([event.step, digits(event.loss)])
        if (event.type !== 'step') return
        recorded.loss.push(digits(event.report.loss))
        recorded.grad_norm.push(digits(event.report.gradNorm))
        recorded.learning_rate.push(digits(event.report.learningRate))
      },
    })
    return recorded
  } catch (error) {
    if (!(error instanceof TrituneError) || error.code !== 'E_NAN') throw error
    return { ...recorded, error: error.code }
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/** The settings with the files that they need in a folder. */
function settingsIn(folder: string, { settings, brokenLines = [] }: CurveRun): FinetuneInput {
  const [dataset] = settings.datasets ?? []
  const { path = '', type = 'completion' } = dataset ?? {}
  const [, file = '', count] = /^([^[]+)(?:\[:(\d+)\])?$/.exec(path) ?? []
  const texts = readFileSync(file, 'utf8')
    .trim()
    .split('\n')
    .slice(0, count === undefined ? undefined : Number(count))
  for (const line of brokenLines) texts[line - 1] = JSON.stringify({ text: randomLetters(line) })
  writeFileSync(join(folder, 'data.jsonl'), `${texts.join('\n')}\n`)
  const evaluated = readFileSync(EVALUATION, 'utf8').split('\n').slice(0, EVALUATED_TEXTS)
  writeFileSync(join(folder, 'evaluation.jsonl'), `${evaluated.join('\n')}\n`)
  return {
    ...settings,
    datasets: [{ path: join(folder, 'data.jsonl'), type }],
    test_datasets: [{ path: join(folder, 'evaluation.jsonl'), type: 'completion' }],
    eval_steps: 50,
    eval_batch_size: 8,
    output_dir: join(folder, 'out'),
  }
}

/** In a script that the model has never seen. */
function randomLetters(seed: number): string {
  let state = seed * 2654435761
  return Array.from({ length: 80 }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return String.fromCharCode(0x4e00 + ((state >>> 12) % 20000))
  }).join('')
}

function digits(x: number): number {
  return Number(x.toPrecision(4))
}
