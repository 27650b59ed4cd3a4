/**
 * The losses that trl computed (tests/oracle/preferences.py), taken again here: the same examples in one batch, the same policy and
 * reference.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Disposables } from '../../../core/disposables.ts'
import { openCheckpoint } from '../../../core/files/checkpoint.ts'
import {
  adamw,
  backward,
  chain,
  clipByGlobalNorm,
  createHost,
  type Device,
  type Model,
  type Objective,
  type Parameters,
  Tensor,
  tensorScope,
  withAdapters,
} from '../../../core/mod.ts'
import { concatenate, joinDocuments, type TokenizedExample } from '../../../plugins/data/mod.ts'
import { objectiveBatch, trainStep } from '../../../plugins/finetune/mod.ts'
import { loadModel } from '../../../plugins/models/mod.ts'
import { loadAdapter, trainAllWeights } from '../../../plugins/peft/mod.ts'
import { preference } from '../../../plugins/preference/mod.ts'
import { GOLDEN, readFloats, relativeError } from '../../_golden.ts'

interface Case {
  readonly objective: string
  readonly options: Readonly<Record<string, unknown>>
  readonly loss: number
  readonly metrics: Readonly<Record<string, number>>
}

interface Expected {
  readonly cases: Readonly<Record<string, Case>>
  readonly recipe: { readonly steps: number; readonly learningRate: number; readonly beta: number }
  /** Losses of the steps. */
  readonly steps: readonly number[]
}

interface Data {
  readonly pairs: readonly {
    readonly prompt: readonly number[]
    readonly chosen: readonly number[]
    readonly rejected: readonly number[]
  }[]
  readonly answers: readonly {
    readonly prompt: readonly number[]
    readonly completion: readonly number[]
    readonly label: boolean
  }[]
}

/** What trl gave, in a folder that tests/oracle/preferences.py wrote. */
export interface TrlGolden {
  readonly folder: string
  readonly expected: Expected
  readonly data: Data
}

export const TRL_GOLDEN: string = join(GOLDEN, 'preferences')

export function openTrl(folder: string = TRL_GOLDEN): TrlGolden {
  const read = (name: string): string => readFileSync(join(folder, name), 'utf8')
  return { folder, expected: JSON.parse(read('expected.json')), data: JSON.parse(read('data.json')) }
}

/** How far gradients may be apart; DiscoPOP divides by 0.05 inside of its sigmoid, which makes the rounding of f32 twenty times as large. */
export function gradientTolerance(name: string): number {
  return name === 'dpo discopop' ? 1e-4 : 1e-5
}

/** Largest differences of a case, relative to numbers above 1. */
export interface CaseErrors {
  readonly loss: number
  readonly metrics: number
  readonly gradients: number
  /** Tensors that were compared. */
  readonly compared: number
}

export function measureCase(golden: TrlGolden, name: string, device: Device): CaseErrors {
  const { objective: kind, options, loss: wanted, metrics } = golden.expected.cases[name]
  using rig = openRig(kind, device)
  const { model, parameters } = rig
  const examples = examplesOf(golden.data, kind)
  const objective = openObjective(kind, options)
  prepare(objective, rig, examples)
  using _scope = tensorScope()
  const batch = concatenate(examples)
  const { loss, log = {} } = objective.loss(model, objectiveBatch(batch, device), {
    scale: 1 / (objective.averagedOver === 'examples' ? examples.length : batch.trainedTokens),
    window: examples,
    checkpointing: false,
    training: true,
  })
  backward(loss)
  const gradients = openCheckpoint(join(golden.folder, 'gradients.safetensors'))
  let [worst, compared] = [0, 0]
  for (const [path, { grad }] of parameters) {
    const stored = `${name}/${path}`
    if (!gradients.entries.has(stored)) continue
    worst = Math.max(worst, relativeError(grad?.toArray() ?? [], readFloats(gradients, stored)))
    compared++
  }
  const off = Object.entries(metrics).map(([key, value]) => distance(log[key]?.item() ?? Number.NaN, value))
  const errors = {
    loss: distance(loss.item(), wanted),
    metrics: Math.max(0, ...off),
    gradients: worst,
    compared,
  }
  objective[Symbol.dispose]?.()
  return errors
}

/** Twenty steps of DPO with LoRA from an adapter that does nothing yet: the largest difference of a loss. */
export function measureSteps({ data, expected }: TrlGolden, device: Device): number {
  const { steps, recipe } = expected
  using model = loadModel(join(GOLDEN, 'peft-train/base'), { device })
  using adapter = loadAdapter(model, join(GOLDEN, 'peft-train/adapter-init'))
  const { parameters } = adapter
  const examples = examplesOf(data, 'dpo')
  const objective = openObjective('dpo', { beta: recipe.beta })
  prepare(objective, { model, teacher: () => model }, examples)
  using optimizer = chain(clipByGlobalNorm(1), adamw({ weightDecay: 0 })).init(parameters)
  const context = { model, device, parameters, optimizer, objective, checkpointing: false, seed: 0 }
  const batch = concatenate(examples)
  const losses = steps.map(
    (_, step) => trainStep(context, [batch], { step, learningRate: recipe.learningRate }).loss,
  )
  return Math.max(...losses.map((loss, i) => Math.abs(loss - steps[i])))
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function distance(got: number, wanted: number): number {
  const error = Math.abs(got - wanted) / Math.max(1, Math.abs(wanted))
  return Number.isNaN(error) ? Infinity : error
}

function openObjective(name: string, options: Readonly<Record<string, unknown>>): Objective {
  using host = createHost({ plugins: [preference] })
  const optionsOf = name === 'distillation' ? { teacher: 'policy', ...options } : options
  const definition: {
    readonly options: { validate(input: unknown): unknown }
    create(options: unknown): Objective
  } = host.find('objective', name)
  return definition.create(definition.options.validate(optionsOf))
}

interface Rig extends Disposable {
  readonly model: Model
  readonly parameters: Parameters
  /** The base with the adapter of the policy; the rig frees the adapter. */
  teacher(): Model
}

const BASE = join(GOLDEN, 'peft-train/base')
const POLICY = join(GOLDEN, 'peft-train/adapter-b-nonzero')

/** A LoRA on the base; for reward models and students all weights of the base. */
function openRig(kind: string, device: Device): Rig {
  const open = new Disposables()
  const teacher = (): Model => {
    const model = loadModel(BASE, { device })
    open.use(loadAdapter(model, POLICY))
    return model
  }
  const close = { teacher, [Symbol.dispose]: () => open.dispose() }
  if (kind === 'reward' || kind === 'distillation') {
    const labels = kind === 'reward' ? 1 : undefined
    const model = open.use(loadModel(BASE, { device, writable: true, ...(labels ? { labels } : {}) }))
    const { scoreHead } = model
    if (scoreHead && scoreHead.weight instanceof Tensor)
      scoreHead.weight.set(Float32Array.from({ length: 32 }, (_, i) => -1 + (2 * i) / 31))
    return { model, parameters: trainAllWeights(model), ...close }
  }
  const model = open.use(loadModel(BASE, { device }))
  const { parameters } = open.use(loadAdapter(model, POLICY))
  return { model, parameters, ...close }
}

function prepare(
  objective: Objective,
  { model, teacher }: Pick<Rig, 'model' | 'teacher'>,
  train: readonly TokenizedExample[],
): void {
  objective.prepare?.({
    model,
    train,
    validation: [],
    microBatchSize: train.length,
    isRehearsal: false,
    asReference: (fn) => withAdapters(model, [], fn),
    remembered: (_name, _examples, compute) => compute(),
    openModel: teacher,
  })
}

function examplesOf({ pairs, answers }: Data, objective: string): readonly TokenizedExample[] {
  if (objective === 'kto')
    return answers.map(({ prompt, completion, label }, line) => ({
      ...document(prompt, completion),
      source: { file: 'data.json', line },
      values: { label: label ? 1 : 0 },
    }))
  const source = (line: number): TokenizedExample['source'] => ({ file: 'data.json', line })
  if (objective === 'distillation')
    return pairs.map(({ prompt, chosen }, line) => ({ ...document(prompt, chosen), source: source(line) }))
  return pairs.map(({ prompt, chosen, rejected }, line) =>
    joinDocuments(
      [document(prompt, chosen), document(prompt, rejected)],
      source(line),
      objective === 'reward' ? { values: { margin: line / 8 } } : {},
    ),
  )
}

function document(
  prompt: readonly number[],
  answer: readonly number[],
): Pick<TokenizedExample, 'ids' | 'labels'> {
  const ids = Int32Array.from([...prompt, ...answer])
  return { ids, labels: ids.slice().fill(-100, 0, prompt.length) }
}
