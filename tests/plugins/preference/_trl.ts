/**
 * The losses that trl computed (tests/oracle/preferences.py), taken again here: the same examples in one batch, the same policy and
 * reference.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
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
  tensorScope,
  withAdapters,
} from '../../../core/mod.ts'
import { concatenate, joinDocuments, type TokenizedExample } from '../../../plugins/data/mod.ts'
import { objectiveBatch, trainStep } from '../../../plugins/finetune/mod.ts'
import { loadModel } from '../../../plugins/models/mod.ts'
import { loadAdapter } from '../../../plugins/peft/mod.ts'
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
  using model = loadModel(join(GOLDEN, 'peft-train/base'), { device })
  using adapter = loadAdapter(model, join(GOLDEN, 'peft-train/adapter-b-nonzero'))
  const examples = examplesOf(golden.data, kind)
  const objective = openObjective(kind, options)
  prepare(objective, model, examples)
  using _scope = tensorScope()
  const { loss, log = {} } = objective.loss(model, objectiveBatch(concatenate(examples), device), {
    scale: 1 / examples.length,
    window: examples,
    checkpointing: false,
    training: true,
  })
  backward(loss)
  const gradients = openCheckpoint(join(golden.folder, 'gradients.safetensors'))
  let [worst, compared] = [0, 0]
  for (const [path, { grad }] of adapter.parameters) {
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
  prepare(objective, model, examples)
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
  const definition: {
    readonly options: { validate(input: unknown): unknown }
    create(options: unknown): Objective
  } = host.find('objective', name)
  return definition.create(definition.options.validate(options))
}

function prepare(objective: Objective, model: Model, train: readonly TokenizedExample[]): void {
  objective.prepare?.({
    model,
    train,
    validation: [],
    microBatchSize: train.length,
    isRehearsal: false,
    asReference: (fn) => withAdapters(model, [], fn),
    openModel: (path) => loadModel(path, { device: model.head.device }),
  })
}

function examplesOf({ pairs, answers }: Data, objective: string): readonly TokenizedExample[] {
  if (objective === 'kto')
    return answers.map(({ prompt, completion, label }, line) => ({
      ...document(prompt, completion),
      source: { file: 'data.json', line },
      values: { label: label ? 1 : 0 },
    }))
  return pairs.map(({ prompt, chosen, rejected }, line) =>
    joinDocuments([document(prompt, chosen), document(prompt, rejected)], { file: 'data.json', line }),
  )
}

function document(
  prompt: readonly number[],
  answer: readonly number[],
): Pick<TokenizedExample, 'ids' | 'labels'> {
  const ids = Int32Array.from([...prompt, ...answer])
  return { ids, labels: ids.slice().fill(-100, 0, prompt.length) }
}
