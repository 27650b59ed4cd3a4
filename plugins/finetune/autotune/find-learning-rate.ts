/**
 * `learning_rate: auto`: the rate of the checkpoint that the run goes on from, or the one that short branches of the run speak for. They have a run of
 * their own: the real one is opened afterwards as if its file had said the number.
 */
import { searchLearningRate } from '../../autotune/mod.ts'
import { decide } from '../../../core/agree.ts'
import { TrituneError } from '../../../core/mod.ts'
import { earlierSetting } from '../checkpoints/earlier-setting.ts'
import { atKeyAsync } from '../config/at-key.ts'
import type { FinetuneConfig, TunedRate } from '../config/config.ts'
import { withBatch, withMicroBatch } from '../memory/fit-micro-batch.ts'
import { formatCount, formatDuration } from '../reports/format.ts'
import { openRun } from '../open-run.ts'
import type { Run } from '../run.ts'
import type { PrepareOptions } from '../run-inputs.ts'
import { createBranches } from './branches.ts'
import { type MeasuredMicroBatch, measureMicroBatch } from './measure-micro-batch.ts'
import { MEASUREMENT, searchOf } from './search-of.ts'

/** What the first grid is built around: adapters take higher rates than whole models. */
const CENTER = { adapter: 1e-3, whole: 5e-5 } as const

/** What is asked for with the learning rate. */
export interface FindOptions {
  /** `micro_batch_size: auto`: among the sizes that fit, by speed. */
  readonly withMicroBatch: boolean
}

/** The same run with the numbers filled in, and notes that tell how they were found. */
export async function findLearningRate(
  config: FinetuneConfig,
  options: PrepareOptions,
  find: FindOptions = { withMicroBatch: false },
): Promise<FinetuneConfig> {
  const { world = null } = options
  if (world !== null) expectSearchable(config, find)
  const before = decide(world, () =>
    options.startsAnew ? null : (earlierSetting(config, 'learning_rate') ?? null),
  )
  if (typeof before === 'number' && before > 0)
    return noted({ ...config, learning_rate: before }, [
      `${RATE} ${before}: as in the checkpoint of output_dir`,
    ])
  if (options.isTrial)
    return { ...config, notes: [...config.notes, 'learning_rate: auto is searched for when the run starts'] }
  options.onNote?.('learning_rate: auto: short branches of the run look for it')
  return await atKeyAsync(['learning_rate'], () => search(config, options, find))
}

// ---- helpers ----------------------------------------------------------------------------------------------------

const RATE = 'learning_rate: auto is'
const SIZE = 'micro_batch_size: auto is'

async function search(
  config: FinetuneConfig,
  options: PrepareOptions,
  find: FindOptions,
): Promise<FinetuneConfig> {
  const began = performance.now()
  let measured: MeasuredMicroBatch
  {
    using run = await openRun(config, options)
    if (!find.withMicroBatch) return await searchIn(run, config, { began, spent: 0 })
    measured = measureMicroBatch(run)
    const sized = withSpeed(config, measured)
    if (documentsOf(sized) === documentsOf(config))
      return await searchIn(run, sized, { began, spent: measured.steps })
  }
  const larger = measured.speeds.map(({ size }) => size).filter((size) => size > measured.size)
  return await searchAt([measured.size, ...larger.toSorted((a, b) => a - b)], config, {
    options,
    measured,
    began,
  })
}

/** With the first of the sizes whose run has enough steps for what was measured and for the search; the last one says so where it has not. */
async function searchAt(
  [size, ...larger]: readonly number[],
  config: FinetuneConfig,
  from: { readonly options: PrepareOptions; readonly measured: MeasuredMicroBatch; readonly began: number },
): Promise<FinetuneConfig> {
  const { options, measured, began } = from
  const sized = withSpeed(config, { ...measured, size })
  // Steps of another batch are so many of this one.
  const spent = (measured.steps * documentsOf(config)) / documentsOf(sized)
  {
    using run = await openRun(sized, options)
    if (larger.length === 0 || affords(run, spent)) return await searchIn(run, sized, { began, spent })
  }
  const note = `steps of ${size} would be fast enough, but the run has too few of them for the search of a rate`
  return await searchAt(larger, { ...config, notes: [...config.notes, note] }, from)
}

function affords(run: Run, spent: number): boolean {
  try {
    searchOf(run, spent)
    return true
  } catch (error) {
    if (error instanceof TrituneError && error.code === 'E_CONFIG') return false
    throw error
  }
}

/** What was done before: since when, and steps of this run. */
interface Before {
  readonly began: number
  readonly spent: number
}

async function searchIn(run: Run, config: FinetuneConfig, { began, spent }: Before): Promise<FinetuneConfig> {
  const { plan, probe } = searchOf(run, spent)
  const branches = createBranches(run, probe)
  const center = config.adapter === null ? CENTER.whole : CENTER.adapter
  const found = await searchLearningRate({ center, ...plan, ...branches })
  const made = spent + branches.steps() + MEASUREMENT * probe.windows * (1 + found.trials.length)
  const tuned = { ...found, share: made / run.plan.totalSteps, seconds: (performance.now() - began) / 1000 }
  return noted({ ...config, learning_rate: tuned.rate, tunedRate: tuned }, [described(tuned)])
}

function documentsOf(config: FinetuneConfig): number {
  return config.micro_batch_size * config.gradient_accumulation_steps
}

function noted(config: FinetuneConfig, notes: readonly string[]): FinetuneConfig {
  return { ...config, autoLearningRate: false, notes: [...config.notes, ...notes] }
}

function described({ rate, start, trials, share, seconds, atEdge }: TunedRate): string {
  const tried = trials.map(
    ({ rate: one, loss }) => `${one} → ${loss === null ? 'diverged' : loss.toFixed(3)}`,
  )
  const edge = atEdge ? '; it is at the edge of what was tried' : ''
  return `${RATE} ${rate}: ${tried.join(', ')} from ${start.toFixed(3)}; ${formatDuration(seconds)}, ${(100 * share).toFixed(1)} % of the steps of the run${edge}`
}

/** What the memory allowed is no news any more. */
function withSpeed(config: FinetuneConfig, { size, speeds, noise }: MeasuredMicroBatch): FinetuneConfig {
  const documents = documentsOf(config)
  const sized = config.autoBatch
    ? withBatch(config, size, documents)
    : withMicroBatch(config, size, documents)
  const told = speeds.map(
    ({ size: one, tokensPerSecond }) => `${one} → ${Math.round(tokensPerSecond)} tokens/s`,
  )
  const scale =
    noise === null
      ? ''
      : `; the noise scale of the gradients is about ${formatCount(Math.max(1, Math.round(noise)))} at the start, of ${documentsOf(sized)} in a step`
  const note = `${SIZE} ${size} × ${sized.gradient_accumulation_steps}, by speed${config.autoBatch && noise !== null ? ' and noise' : ''}: ${told.join(', ')}${scale}`
  return { ...sized, notes: [...sized.notes.filter((text) => !text.startsWith(SIZE)), note] }
}

/** Of several processes, which make the steps of a branch together and hear the same losses. */
function expectSearchable({ diloco }: FinetuneConfig, { withMicroBatch: bySpeed }: FindOptions): void {
  if (diloco)
    throw new TrituneError('E_CONFIG', 'auto does not go with diloco: each process makes steps of its own', {
      remedy: 'give learning_rate as a number',
    })
  if (bySpeed)
    throw new TrituneError('E_CONFIG', 'auto beside micro_batch_size: auto is for one process', {
      remedy: 'give micro_batch_size as a number',
    })
}
