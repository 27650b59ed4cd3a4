/**
 * Records what runs of the bundled model report, for the tests of the advisors (tests/golden/curves): `bun scripts/recipes/curves/record.ts`.
 *
 * One JSON object a line: loss, gradient norm and learning rate of each step, and how the run ended. Numbers have four digits.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
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
const lines = new Map<string, string[]>()
const [only] = process.argv.slice(2)
for (const run of CURVE_RUNS) {
  if (only !== undefined && run.kind !== only) continue
  const file = run.kind === 'healthy' ? 'healthy.jsonl' : 'unhealthy.jsonl'
  const recorded = await record(run)
  const { kind, name } = run
  console.log(name, recorded.loss.length, recorded.loss[0], recorded.loss.at(-1), recorded.error ?? '')
  const of = [...(lines.get(file) ?? []), JSON.stringify({ name, kind, ...recorded })]
  lines.set(file, of)
  writeFileSync(OUTPUT + file, `${of.join('\n')}\n`)
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
function settingsIn(folder: string, { settings, brokenSteps = [] }: CurveRun): FinetuneInput {
  const [dataset] = settings.datasets ?? []
  const { path = '', type = 'completion' } = dataset ?? {}
  const [, file = '', count] = /^([^[]+)(?:\[:(\d+)\])?$/.exec(path) ?? []
  const texts = readFileSync(file, 'utf8')
    .trim()
    .split('\n')
    .slice(0, count === undefined ? undefined : Number(count))
  const rows = Number(settings.micro_batch_size)
  for (const step of brokenSteps)
    for (let row = 0; row < rows; row++)
      texts[(step - 1) * rows + row] = JSON.stringify({ text: randomLetters(step + row) })
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

function randomLetters(seed: number): string {
  let state = seed * 2654435761
  return Array.from({ length: 600 }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return String.fromCharCode(33 + ((state >>> 16) % 90))
  }).join('')
}

function digits(x: number): number {
  return Number(x.toPrecision(4))
}
