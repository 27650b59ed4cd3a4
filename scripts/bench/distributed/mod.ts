/**
 * `bench distributed`: a job on up to 1024 processes, played from the times of steps of a real run, beside the formula of `stepCost()`. All else that it needs is measured, too: links by
 * `bench links`, coding here.
 */
import { createRandom } from '../../../core/mod.ts'
import { type Link, LINKS, stepCost } from '../../../plugins/distributed/mod.ts'
import { mean, median } from '../_measure.ts'
import type { BenchContext, Row, Topic } from '../_topic.ts'
import { type Coding, exchangeSeconds, measureCoding, WAYS, type Way } from './exchanges.ts'
import { type PlayedJob, playJobs } from './play-job.ts'
import { readTrace, RECORDED, type Trace } from './trace.ts'

const PROCESSES = [2, 8, 64, 256, 1024]
const STEPS = 200
/** Steps that are drawn together. */
const STRETCH = 20
const TIMES = { quick: 5, long: 40 }

export const distributed: Topic = {
  name: 'distributed',
  async run(context) {
    const trace = readTrace(context.trace ?? RECORDED)
    context.progress(`steps of ${trace.of}`)
    const coding = measureCoding(trace.gradientBytes / 4)
    const jobs = Object.entries(LINKS).flatMap(([rate, link]) =>
      WAYS.flatMap((way) =>
        PROCESSES.map((processes) => ({
          processes,
          way,
          link,
          trace,
          coding,
          name: `${processes} processes, ${rate}, ${way.name}`,
        })),
      ),
    )
    const asked = jobs.filter(({ name }) => context.only === null || name.includes(context.only))
    return await Promise.resolve([
      ...constantRows(trace, coding),
      ...asked.map((job) => jobRow(job, context)),
    ])
  },
}

// ---- helpers ----------------------------------------------------------------------------------------------------

interface Job {
  readonly name: string
  readonly processes: number
  readonly way: Way
  readonly link: Link
  readonly trace: Trace
  readonly coding: Coding
}

const INFORMS = { peer: null, ratio: null, floor: null, goal: null, better: 'lower' } as const

function constantRows({ seconds, gradientBytes }: Trace, coding: Coding): Row[] {
  const slowest = Math.max(...seconds)
  return [
    {
      ...INFORMS,
      name: 'a step as it was seen',
      ours: 1000 * mean(seconds),
      unit: 'ms',
      note: `${seconds.length} steps, median ${(1000 * median(seconds)).toFixed(1)}, slowest ${(1000 * slowest).toFixed(0)}; gradients of ${(gradientBytes / 1e3).toFixed(0)} KB`,
    },
    { ...INFORMS, name: 'writing a ternary message', ours: 1000 * coding.encode, unit: 'ms' },
    { ...INFORMS, name: 'reading one', ours: 1000 * coding.decode, unit: 'ms' },
  ]
}

/** ours: played; peer: the formula. */
function jobRow({ name, processes, way, link, trace, coding }: Job, { quick }: BenchContext): Row {
  const { every } = way
  const exchange = exchangeSeconds(way, { processes, gradientBytes: trace.gradientBytes, link, coding })
  const times = quick ? TIMES.quick : TIMES.long
  const random = createRandom(1, name)
  const played = (stretch: number): ReturnType<typeof playJobs> => {
    const job: PlayedJob = {
      trace: trace.seconds,
      processes,
      every,
      steps: STEPS,
      stretch,
      random,
      exchangeSeconds: exchange,
    }
    return playJobs(job, times)
  }
  const { mean: ours, low, high } = played(STRETCH)
  const { computing, waiting } = stepCost({
    processes,
    every,
    link,
    stepSeconds: trace.seconds,
    gradientBytes: 0,
  })
  const formula = computing / (computing + waiting + exchange / every)
  const percent = (share: number): string => (100 * share).toFixed(1)
  return {
    ...INFORMS,
    name,
    ours: 100 * ours,
    peer: 100 * formula,
    ratio: ours / formula,
    unit: '% efficient',
    better: 'higher',
    note: `${percent(low)} … ${percent(high)} of 95 % of ${times} jobs of ${STEPS} steps; each step drawn by itself ${percent(played(1).mean)}; an exchange ${(1000 * exchange).toFixed(1)} ms`,
  }
}
