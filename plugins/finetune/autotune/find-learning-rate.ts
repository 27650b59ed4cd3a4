/**
 * `learning_rate: auto`: the rate of the checkpoint that the run goes on from, or the one that short branches of the run speak for. They have a run of
 * their own: the real one is opened afterwards as if its file had said the number.
 */
import { planSearch, searchLearningRate } from '../../autotune/mod.ts'
import { TrituneError } from '../../../core/mod.ts'
import { earlierSetting } from '../checkpoints/earlier-setting.ts'
import { atKeyAsync } from '../config/at-key.ts'
import type { FinetuneConfig, TunedRate } from '../config/config.ts'
import { formatDuration } from '../reports/format.ts'
import { openRun } from '../open-run.ts'
import type { PrepareOptions } from '../run-inputs.ts'
import { createBranches } from './branches.ts'
import { probeOf } from './probe.ts'

/** What the first grid is built around: adapters take higher rates than whole models. */
const CENTER = { adapter: 1e-3, whole: 5e-5 } as const

/** The same run with the number filled in, and a note that tells how it was found. */
export async function findLearningRate(
  config: FinetuneConfig,
  options: PrepareOptions,
): Promise<FinetuneConfig> {
  if (options.world) throw severalProcesses()
  const before = options.startsAnew ? undefined : earlierSetting(config, 'learning_rate')
  if (typeof before === 'number' && before > 0)
    return told(config, before, 'as in the checkpoint of output_dir', null)
  if (options.isTrial)
    return { ...config, notes: [...config.notes, 'learning_rate: auto is searched for when the run starts'] }
  options.onNote?.('learning_rate: auto: short branches of the run look for it')
  const began = performance.now()
  const found = await atKeyAsync(['learning_rate'], () => search(config, options))
  const seconds = (performance.now() - began) / 1000
  const { rate, share, atEdge, trials } = found
  const tried = trials.map(
    ({ rate: one, loss }) => `${one} → ${loss === null ? 'diverged' : loss.toFixed(3)}`,
  )
  const why = `${tried.join(', ')} from ${found.start.toFixed(3)}; ${formatDuration(seconds)}, ${(100 * share).toFixed(1)} % of the steps of the run${
    atEdge ? '; it is at the edge of what was tried' : ''
  }`
  return told(config, rate, why, { ...found, seconds })
}

// ---- helpers ----------------------------------------------------------------------------------------------------

async function search(config: FinetuneConfig, options: PrepareOptions): Promise<Omit<TunedRate, 'seconds'>> {
  using run = await openRun(config, options)
  const { totalSteps } = run.plan
  // Forward alone costs about half of a step with an adapter, a third without: counted as a half.
  const plan = planSearch({ totalSteps, measurement: 0.5 * probeOf(run, 0).windows })
  const probe = probeOf(run, plan.fineSteps)
  const branches = createBranches(run, probe)
  const center = config.adapter === null ? CENTER.whole : CENTER.adapter
  const found = await searchLearningRate({ center, ...plan, ...branches })
  const steps = branches.steps()
  return { ...found, share: (steps + 0.5 * probe.windows * (1 + found.trials.length)) / totalSteps }
}

function told(config: FinetuneConfig, rate: number, why: string, tuned: TunedRate | null): FinetuneConfig {
  const notes = [...config.notes, `learning_rate: auto is ${rate}: ${why}`]
  return { ...config, autoLearningRate: false, learning_rate: rate, tunedRate: tuned, notes }
}

function severalProcesses(): TrituneError {
  return new TrituneError('E_CONFIG', 'learning_rate: auto is searched for by one process', {
    place: 'learning_rate',
    remedy: 'start the run once without mpirun, and give the number that it notes',
  })
}
