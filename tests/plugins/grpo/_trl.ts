/**
 * The folder of tests/oracle/grpo.py: what trl computes of some completions, and the same by tritune. Shared by the tests and by
 * scripts/oracle/trl-grpo.ts; tolerances stand where it is judged.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Checkpoint, openCheckpoint } from '../../../core/files/checkpoint.ts'
import {
  backward,
  type Device,
  type Model,
  noGrad,
  tensor,
  tensorScope,
  withAdapters,
} from '../../../core/mod.ts'
import { concatenate, IGNORE, type TokenizedExample } from '../../../plugins/data/mod.ts'
import {
  advantagesOf,
  createGrpoObjective,
  type GrpoOptions,
  grpoOptions,
  rolloutExample,
  tokenWeight,
} from '../../../plugins/grpo/mod.ts'
import { measuredLogProbs } from '../../../plugins/grpo/completion-log-probs.ts'
import { createBatch, loadModel } from '../../../plugins/models/mod.ts'
import { loadAdapter } from '../../../plugins/peft/mod.ts'
import { GOLDEN } from '../../_golden.ts'

/** What trl says of one case. */
export interface TrlCase {
  readonly options: Readonly<Record<string, unknown>>
  readonly advantages: readonly number[]
  readonly logProbs: readonly (readonly number[])[]
  readonly old: readonly (readonly number[])[] | null
  readonly reference: readonly (readonly number[])[] | null
  readonly loss: number
  readonly metrics: Readonly<Record<string, number>>
}

export interface TrlGolden {
  readonly group: number
  readonly longest: number
  readonly eos: number
  readonly prompts: readonly (readonly number[])[]
  readonly completions: readonly (readonly number[])[]
  readonly rewards: Readonly<Record<string, readonly (number | null)[]>>
  readonly weights: readonly number[]
  readonly cases: Readonly<Record<string, TrlCase>>
  readonly gradients: Checkpoint
}

export function openTrlGolden(folder: string = join(GOLDEN, 'grpo')): TrlGolden {
  const read: Omit<TrlGolden, 'gradients'> = JSON.parse(readFileSync(join(folder, 'expected.json'), 'utf8'))
  return { ...read, gradients: openCheckpoint(join(folder, 'expected.safetensors')) }
}

/** Of a case and a tensor of the adapter. */
export function trlGradient({ gradients }: TrlGolden, name: string, key: string): Float32Array {
  const entry = gradients.entries.get(`${name}/${key}`)
  if (!entry) throw new Error(`${name}/${key}`)
  return new Float32Array(Uint8Array.from(gradients.read(entry)).buffer)
}

/** Numbers of tokens, without those that a case masks: trl hides these from the model too, so that there is nothing to compare. */
export function unmasked(
  { cases, completions, eos }: TrlGolden,
  name: string,
  rows: readonly (readonly number[])[],
): number[] {
  const masks = cases[name].options.mask_truncated_completions === true
  return rows.flatMap((row, i) => (masks && completions[i].at(-1) !== eos ? [] : row))
}

/** What tritune computes of the same case. */
export interface OurCase {
  readonly advantages: readonly number[]
  readonly logProbs: readonly (readonly number[])[]
  readonly reference: readonly (readonly number[])[]
  readonly loss: number
  readonly metrics: Readonly<Record<string, number>>
  /** By the name of the tensor in the adapter's file. */
  readonly gradients: ReadonlyMap<string, Float32Array>
}

/** `split`: completions of a micro-batch. */
export function runCase(golden: TrlGolden, name: string, device: Device, split = 8): OurCase {
  const { longest, group, completions, eos } = golden
  const { options: given, old } = golden.cases[name]
  const options = grpoOptions.validate({ num_generations: group, max_completion_length: longest, ...given })
  using model = loadModel(join(GOLDEN, 'peft-train/base'), { device })
  using adapter = loadAdapter(model, join(GOLDEN, 'peft-several/a'))
  const { advantages } = advantagesOf(Object.values(golden.rewards), {
    weights: golden.weights,
    groupSize: group,
    scale: options.scale_rewards,
  })
  const plain = completions.map((ids, row) =>
    rolloutExample(promptOf(golden, row), ids, { advantage: 0, weight: 0, old: null, reference: null }),
  )
  const measure = (): number[][] =>
    measuredLogProbs(model, plain, { temperature: options.temperature, rowsAtOnce: 3 }).map((row) => [...row])
  const reference = withAdapters(model, [], measure)
  const counts = (ids: readonly number[]): boolean =>
    ids[ids.length - 1] === eos || !options.mask_truncated_completions
  const sizes = {
    rows: completions.length,
    tokens: completions.reduce((sum, ids) => sum + (counts(ids) ? ids.length : 0), 0),
    longest,
  }
  const examples = completions.map((ids, row) =>
    rolloutExample(promptOf(golden, row), ids, {
      advantage: advantages[row],
      weight: counts(ids) ? tokenWeight(options.loss_type, { ...sizes, length: ids.length }) : 0,
      old: old && old[row],
      reference: options.beta > 0 ? reference[row] : null,
    }),
  )
  const logProbs = measure()
  const { loss, metrics } = stepOf(model, options, examples, split)
  const gradients = new Map(
    Array.from(adapter.parameters, ([key, { grad }]): [string, Float32Array] => [
      key,
      grad?.toArray() ?? new Float32Array(),
    ]),
  )
  for (const { grad } of adapter.parameters.values()) grad?.dispose()
  return { advantages: [...advantages], logProbs, reference, loss, metrics, gradients }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function promptOf({ prompts, group }: TrlGolden, row: number): TokenizedExample {
  const ids = Int32Array.from(prompts[Math.floor(row / group)])
  return { ids, labels: ids.slice().fill(IGNORE), source: { file: 'prompts', line: 1 } }
}

function stepOf(
  model: Model,
  options: GrpoOptions,
  examples: readonly TokenizedExample[],
  split: number,
): { loss: number; metrics: Record<string, number> } {
  const objective = createGrpoObjective(options)
  const { device } = model.head
  const sums: Record<string, number> = {}
  let total = 0
  for (let start = 0; start < examples.length; start += split) {
    using _scope = tensorScope()
    const part = examples.slice(start, start + split)
    const batch = concatenate(part)
    const { loss, log = {} } = objective.loss(
      model,
      {
        tokens: createBatch(batch, device),
        targets: tensor(batch.targets, { dtype: 'i32', device }),
        trainedTokens: batch.trainedTokens,
        examples: part,
      },
      { scale: 1 / batch.trainedTokens, window: examples, checkpointing: false, training: true },
    )
    backward(loss)
    total += noGrad(() => loss.item())
    for (const [key, value] of Object.entries(log)) sums[key] = (sums[key] ?? 0) + value.item()
  }
  return { loss: total, metrics: sums }
}
