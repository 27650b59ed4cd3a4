/**
 * The completions that steps of GRPO are trained on: made, judged, weighed.
 *
 * Several processes share the prompts of a step; a group is whole on one of them. What each made is told to all, so from there on all have the same.
 *
 * Everything but the weights of the model is keyed by (seed, step, row), so a resumed run makes the same completions. Where several steps
 * train on the same ones (`num_iterations`), those are kept in checkpoints.
 */
import {
  type JsonValue,
  jsonField,
  type Model,
  type Stateful,
  TrituneError,
  withAdapters,
  type World,
  type WrittenSample,
} from '../../core/mod.ts'
import { agreeAsync } from '../../core/agree.ts'
import { exactJson, fromExactJson } from '../../core/exact-json.ts'
import type { TokenizedExample } from '../data/mod.ts'
import { advantagesOf, deviation, mean } from './advantages.ts'
import { checkTemperature, measuredLogProbs } from './completion-log-probs.ts'
import { type Completion, completePrompts } from './complete-prompts.ts'
import { tokenWeight } from './loss.ts'
import type { GrpoOptions } from './options.ts'
import { rolloutExample } from './rollout-example.ts'
import { callRewards, type RunReward } from './rewards/call-rewards.ts'

/** What a step is trained on. */
export interface RolloutWindow {
  readonly examples: readonly TokenizedExample[]
  /** Under trl's names. */
  readonly metrics: Readonly<Record<string, number>>
  readonly samples: readonly WrittenSample[]
}

/** The completions of a run, step by step. */
export interface Rollouts extends Stateful {
  /** Rewards with their weights, for people. */
  readonly summary: string
  /** Of a step (from 0) and the prompts that it begins with. Throws what rewards are at fault in. */
  window(step: number, prompts: readonly TokenizedExample[]): Promise<RolloutWindow>
}

/** What rollouts need of a run. */
export interface RolloutRun {
  readonly model: Model
  readonly options: GrpoOptions
  readonly rewards: readonly RunReward[]
  readonly seed: number
  readonly stopIds: readonly number[]
  /** Completions that are trained on at once. */
  readonly microBatchSize: number
  /** Whether the model without its adapter is there. */
  readonly hasReference: boolean
  decode(ids: readonly number[]): string
  /** The processes that share the prompts of a step; default: this one alone. */
  readonly world?: World | null
  /** The record of a prompt. */
  recordOf(prompt: TokenizedExample): Readonly<Record<string, unknown>>
}

/** E_CONFIG where `beta` asks for a reference model that there is not, E_UNSUPPORTED for a temperature that the head cannot have. */
export function createRollouts(run: RolloutRun): Rollouts {
  const { model, options, hasReference } = run
  const { beta, num_iterations: iterations, temperature, num_completions_to_print: printed } = options
  checkTemperature(model, temperature)
  if (beta > 0 && !hasReference)
    throw new TrituneError(
      'E_CONFIG',
      `beta ${beta} needs the model as it was: a new adapter, which is switched off for it`,
      {
        place: 'trl.beta',
        remedy: 'set adapter: lora without lora_model_dir, or trl.beta: 0',
      },
    )
  let kept: Generation | null = null
  return {
    summary: `${run.rewards.map(({ name, weight }) => `${name} ×${weight}`).join(', ')}; groups of ${options.num_generations}, ${options.loss_type}`,
    async window(step, prompts) {
      const first = step - (step % iterations)
      const isNew = step === first || kept?.step !== first
      if (isNew && step !== first)
        throw new TrituneError(
          'E_RESUME',
          `the completions of step ${first + 1}, on which step ${step + 1} trains, are not in the checkpoint`,
        )
      const generation: Generation = isNew || kept === null ? await generated(run, first, prompts) : kept
      kept = iterations > 1 ? generation : null
      const examples = examplesOf(run, generation, prompts)
      if (!isNew) return { examples, metrics: {}, samples: [] }
      return {
        examples,
        metrics: metricsOf(run, generation),
        samples: samplesOf(run, generation, prompts).slice(0, printed),
      }
    },
    saveState: () => (kept === null ? null : { ...kept, rows: kept.rows.map((row) => ({ ...row })) }),
    loadState(state) {
      kept = readGeneration(state)
    },
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** One completion with what was found about it; plain numbers, as checkpoints keep it. */
interface Row {
  readonly ids: readonly number[]
  readonly ended: boolean
  readonly rewards: readonly (number | null)[]
  readonly advantage: number
  readonly isEqual: boolean
  readonly old: readonly number[] | null
  readonly reference: readonly number[] | null
}

interface Generation {
  readonly step: number
  readonly rows: readonly Row[]
}

/** A completion before it is weighed against the others of its group. */
type JudgedRow = Omit<Row, 'advantage' | 'isEqual'>

async function generated(
  run: RolloutRun,
  step: number,
  prompts: readonly TokenizedExample[],
): Promise<Generation> {
  const { options, rewards, world = null } = run
  const size = world?.size ?? 1
  const numbers = [...prompts.keys()].filter((number) => number % size === (world?.rank ?? 0))
  const own = await agreeAsync(world, async () => await judged(run, step, prompts, numbers))
  const rows = world === null ? own : inOrder(world, own, options.num_generations)
  const weighed = advantagesOf(
    rewards.map((_, k) => rows.map((row) => row.rewards[k])),
    {
      weights: rewards.map(({ weight }) => weight),
      groupSize: options.num_generations,
      scale: options.scale_rewards,
    },
  )
  return {
    step,
    rows: rows.map((row, i) => ({ ...row, advantage: weighed.advantages[i], isEqual: weighed.isEqual[i] })),
  }
}

/** Completions of the prompts with these numbers, group after group. */
async function judged(
  run: RolloutRun,
  step: number,
  all: readonly TokenizedExample[],
  numbers: readonly number[],
): Promise<JudgedRow[]> {
  const { model, options, rewards, seed, stopIds } = run
  const { num_generations: groupSize, num_iterations, beta } = options
  const prompts = numbers.map((number) => all[number])
  const completions = completePrompts(
    model,
    prompts.map(({ ids }) => ids),
    { ...options, stopIds, seed, step, numbers },
  )
  const given = await callRewards(
    rewards,
    completions.map((completion) => textOf(run, completion)),
    {
      prompts: completions.map((_, row) => run.decode([...prompts[Math.floor(row / groupSize)].ids])),
      records: completions.map((_, row) => run.recordOf(prompts[Math.floor(row / groupSize)])),
      completionIds: completions.map(({ ids }) => ids),
      ended: completions.map(({ ended }) => ended),
      step,
    },
    options.reward_timeout,
  )
  const measure = (): Float32Array[] => {
    const plain = { advantage: 0, weight: 0, old: null, reference: null }
    const examples = completions.map(({ ids }, row) =>
      rolloutExample(prompts[Math.floor(row / groupSize)], ids, plain),
    )
    return measuredLogProbs(model, examples, {
      temperature: options.temperature,
      rowsAtOnce: run.microBatchSize,
    })
  }
  const old = num_iterations > 1 ? measure() : null
  const reference = beta > 0 ? withAdapters(model, [], measure) : null
  return completions.map(({ ids, ended }, row) => ({
    ids,
    ended,
    rewards: given.map((one) => one[row]),
    old: old && [...old[row]],
    reference: reference && [...reference[row]],
  }))
}

/** The rows of all processes in the order of the prompts, which went round. */
function inOrder(world: World, own: readonly JudgedRow[], groupSize: number): JudgedRow[] {
  const told = world.gather(exactJson(own)).map((text) => fromExactJson<JudgedRow[]>(text))
  const groups = told.reduce((sum, rows) => sum + rows.length, 0) / groupSize
  return Array.from({ length: groups }, (_, number) => {
    const start = Math.floor(number / world.size) * groupSize
    return told[number % world.size].slice(start, start + groupSize)
  }).flat()
}

function examplesOf(
  { options }: RolloutRun,
  { rows }: Generation,
  prompts: readonly TokenizedExample[],
): TokenizedExample[] {
  const { loss_type, mask_truncated_completions, skip_equal_groups, max_completion_length } = options
  const skips = skip_equal_groups && rows.some(({ isEqual }) => !isEqual)
  const left = rows.flatMap((row, i) =>
    skips && row.isEqual ? [] : [{ row, prompt: prompts[Math.floor(i / options.num_generations)] }],
  )
  const counts = ({ ended }: Row): boolean => ended || !mask_truncated_completions
  const sizes = {
    rows: left.length,
    tokens: left.reduce((sum, { row }) => sum + (counts(row) ? row.ids.length : 0), 0),
    longest: max_completion_length,
  }
  return left.map(({ row, prompt }) => {
    const { ids, advantage, old, reference } = row
    const weight = counts(row) ? tokenWeight(loss_type, { ...sizes, length: ids.length }) : 0
    return rolloutExample(prompt, ids, { advantage, weight, old, reference })
  })
}

function metricsOf({ rewards }: RolloutRun, { rows }: Generation): Record<string, number> {
  const sums = rows.map(({ rewards: given }) =>
    given.reduce<number>((sum, value, k) => sum + (value ?? 0) * rewards[k].weight, 0),
  )
  const lengths = rows.map(({ ids }) => ids.length)
  const ended = rows.filter((row) => row.ended).map(({ ids }) => ids.length)
  const all: Record<string, number> = {
    reward: mean(sums),
    reward_std: deviation(sums),
    frac_reward_zero_std: rows.filter(({ isEqual }) => isEqual).length / rows.length,
    'completions/mean_length': mean(lengths),
    'completions/min_length': Math.min(...lengths),
    'completions/max_length': Math.max(...lengths),
    'completions/clipped_ratio': 1 - ended.length / rows.length,
    'completions/mean_terminated_length': ended.length === 0 ? 0 : mean(ended),
    'completions/min_terminated_length': ended.length === 0 ? 0 : Math.min(...ended),
    'completions/max_terminated_length': ended.length === 0 ? 0 : Math.max(...ended),
  }
  for (const [k, { name }] of rewards.entries()) {
    const given = rows.map(({ rewards: row }) => row[k] ?? Number.NaN)
    all[`rewards/${name}/mean`] = mean(given)
    all[`rewards/${name}/std`] = deviation(given)
  }
  return Object.fromEntries(Object.entries(all).filter(([, value]) => Number.isFinite(value)))
}

function samplesOf(
  run: RolloutRun,
  { rows }: Generation,
  prompts: readonly TokenizedExample[],
): WrittenSample[] {
  return rows.map((row, i) => ({
    prompt: run.decode([...prompts[Math.floor(i / run.options.num_generations)].ids]),
    completion: textOf(run, row),
    rewards: Object.fromEntries(run.rewards.map(({ name }, k) => [name, row.rewards[k]])),
    advantage: row.advantage,
  }))
}

/** Without the token that ended it. */
function textOf({ decode }: RolloutRun, { ids, ended }: Pick<Completion, 'ids' | 'ended'>): string {
  return decode(ended ? ids.slice(0, -1) : ids)
}

function readGeneration(state: JsonValue): Generation | null {
  if (state === null) return null
  const step = jsonField(state, 'step')
  const rows = jsonField(state, 'rows')
  if (typeof step !== 'number' || !Array.isArray(rows))
    throw new TrituneError('E_RESUME', 'the completions in the checkpoint cannot be read')
  return { step, rows: rows.map(readRow) }
}

function readRow(row: JsonValue): Row {
  const numbers = (name: string): (number | null)[] | null => {
    const list = jsonField(row, name)
    if (list === null) return null
    if (!Array.isArray(list))
      throw new TrituneError('E_RESUME', `the completions in the checkpoint have no list of ${name}`)
    return list.map((value) => (typeof value === 'number' ? value : null))
  }
  const known = (name: string): number[] | null => numbers(name)?.map(Number) ?? null
  return {
    ids: known('ids') ?? [],
    ended: jsonField(row, 'ended') === true,
    rewards: numbers('rewards') ?? [],
    advantage: Number(jsonField(row, 'advantage')),
    isEqual: jsonField(row, 'isEqual') === true,
    old: known('old'),
    reference: known('reference'),
  }
}
