/**
 * `bun run oracle bitnet`: BitNet checkpoints beside transformers, both ways, and a LoRA on a packed one beside PEFT.
 *
 * Both round activations to 8 bits; one number that falls to the other side moves a logit by about a hundredth, which the tolerance allows.
 */
import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  type Device,
  headLogits,
  type Model,
  noGrad,
  tensorScope,
  TrituneError,
  useDevice,
} from '../../core/mod.ts'
import { absMean, bitLinearForms } from '../../plugins/bitnet/mod.ts'
import { openCpu } from '../../plugins/cpu/mod.ts'
import { saveModel, saveQuantized } from '../../plugins/finetune/mod.ts'
import { createBatch, loadModel } from '../../plugins/models/mod.ts'
import { attachLora, saveAdapter } from '../../plugins/peft/mod.ts'
import { packLayers } from '../../plugins/qlora/mod.ts'
import { relativeError, temporaryFolder } from '../../tests/_golden.ts'
import { ROOT } from '../_setup.ts'
import { atMost, formatRow, mustBe, type Row } from './_row.ts'

const SCRIPT = join(ROOT, 'tests/oracle/bitnet.py')
const TOLERANCE = 0.02
/** Linear layers of the model that the script makes. */
const LAYERS = 21

/** True when every row is within its tolerance. */
export async function runBitnetOracle(python: string): Promise<boolean> {
  const device = openCpu()
  using temporary = temporaryFolder()
  using _device = useDevice(device)
  console.log(device.description)
  let bad = 0
  for (const row of rows(python, temporary.path, device)) {
    console.log(formatRow(row))
    if (!row.ok) bad++
  }
  return bad === 0
}

// ---- helpers ----------------------------------------------------------------------------------------------------

interface Answer {
  readonly ids: number[]
  readonly logits: number[]
  readonly bitlinear: number
  readonly autobitlinear: number
}

function* rows(python: string, folder: string, device: Device): Generator<Row> {
  const theirs = join(folder, 'theirs')
  mkdirSync(theirs)
  ask(python, ['checkpoints', theirs])
  const { ids, logits }: { ids: number[]; logits: Record<string, number[]> } = JSON.parse(
    readFileSync(join(theirs, 'logits.json'), 'utf8'),
  )
  for (const [name, expected] of Object.entries(logits)) {
    using model = loadModel(join(theirs, name), { device, dtype: 'f32' })
    yield atMost(
      `transformers' ${name}, loaded here: logits`,
      relativeError(logitsOf(model, ids), expected),
      TOLERANCE,
    )
  }
  const plain = join(theirs, 'plain')
  for (const linearClass of ['bitlinear', 'autobitlinear'] as const) {
    const written = join(folder, linearClass)
    using model = loadModel(plain, { device, pack: packLayers(absMean(), 'f32') })
    saveQuantized(model, plain, written, { maxShardBytes: 2e5, linearClass })
    yield* answered(
      `ours as ${linearClass}`,
      ask(python, ['logits', written]),
      linearClass,
      logitsOf(model, ids),
    )
  }
  for (const subNorm of [false, true]) {
    const written = join(folder, `online-${subNorm}`)
    using model = loadModel(plain, { device, writable: true, forms: bitLinearForms({ subNorm }) })
    saveModel(model, plain, written)
    const name = `ours to be trained${subNorm ? ', with norms' : ''}`
    yield* answered(name, ask(python, ['logits', written]), 'autobitlinear', logitsOf(model, ids))
  }
  const [base, adapter] = [join(folder, 'autobitlinear'), join(folder, 'adapter')]
  using model = loadModel(base, { device, dtype: 'f32' })
  using lora = attachLora(model, { targetModules: 'all-linear', rank: 4, alpha: 8, init: false, seed: 3 })
  saveAdapter(adapter, lora, { baseModel: base })
  const answer = ask<Answer>(python, ['adapter', base, adapter])
  yield atMost(
    'our LoRA on ours, loaded by PEFT: logits',
    relativeError(logitsOf(model, ids), answer.logits),
    TOLERANCE,
  )
}

function* answered(
  name: string,
  answer: Answer,
  linearClass: 'bitlinear' | 'autobitlinear',
  ours: Float32Array,
): Generator<Row> {
  const count = answer[linearClass]
  yield mustBe(
    `${name}: layers of that class in transformers`,
    `${count} of ${LAYERS}`,
    'all',
    count === LAYERS,
  )
  yield atMost(`${name}, loaded by transformers: logits`, relativeError(ours, answer.logits), TOLERANCE)
}

function logitsOf(model: Model, ids: readonly number[]): Float32Array {
  using _scope = tensorScope()
  return noGrad(() => headLogits(model.head, model.hidden(createBatch({ ids }, model.head.device))).toArray())
}

/** The last line that the script prints is JSON. */
function ask<T>(python: string, args: readonly string[]): T {
  const { status, stdout, stderr, error } = spawnSync(python, [SCRIPT, ...args], {
    encoding: 'utf8',
    maxBuffer: 1 << 28,
  })
  if (status === 0) return JSON.parse(stdout.trim().split('\n').at(-1) || 'null')
  throw new TrituneError('E_USAGE', `${args[0]} failed: ${error?.message ?? stderr.trim().slice(-800)}`, {
    place: SCRIPT,
    remedy: '`pip install torch transformers accelerate peft` in a virtual environment, named with --python',
  })
}
