/**
 * Runs that are disturbed at random moments and resumed: they must end with the bits of the undisturbed one, leave
 * nothing behind, and never start anew in silence.
 */
import { existsSync, mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { createRandom } from '../../core/tensor/random.ts'
import { type Death, DEATHS, judgeEnd } from './deaths.ts'
import { contents, createSpace, lastNumber, leftovers, RUN_KINDS, type RunKind, type Space } from './space.ts'

export interface KillRound {
  readonly run: RunKind
  readonly death: string
  /** Disturbances until it came to its end. */
  readonly deaths: number
  /** Step of the checkpoints that it went on from. */
  readonly resumedAt: readonly number[]
  /** Null: done; otherwise why this machine cannot do it. */
  readonly skipped: string | null
  readonly problems: readonly string[]
}

export interface KillOptions {
  readonly rounds: number
  readonly seed?: number
  readonly steps?: number
  onRound?(round: KillRound): void
}

export async function killRounds({
  rounds,
  seed = 1,
  steps = 40,
  onRound = () => {},
}: KillOptions): Promise<KillRound[]> {
  using space = createSpace({ steps })
  const random = createRandom(seed, 'kills')
  const references = new Map<RunKind, Reference>()
  const done: KillRound[] = []
  for (let i = 0; i < rounds; i++) {
    const run = RUN_KINDS[i % RUN_KINDS.length]
    const death = DEATHS[Math.floor(i / RUN_KINDS.length) % DEATHS.length]
    const reference = references.get(run) ?? (await undisturbed(space, run))
    references.set(run, reference)
    const round = await oneRound(space, { run, death, reference, uniform: () => random.float() })
    done.push(round)
    onRound(round)
  }
  return done
}

// ---- helpers ----------------------------------------------------------------------------------------------------

interface Reference {
  readonly files: ReadonlyMap<string, string>
  /** Milliseconds from the start to the first step, and from there to the end. */
  readonly start: number
  readonly training: number
}

interface Setting {
  readonly run: RunKind
  readonly death: Death
  readonly reference: Reference
  uniform(): number
}

async function undisturbed(space: Space, run: RunKind): Promise<Reference> {
  const began = performance.now()
  const child = space.start(run, `whole-${run}`)
  await child.until('step ')
  const first = performance.now()
  const { code, output } = await child.ended
  if (code !== 0) throw new Error(`the undisturbed run of ${run} failed: ${output}`)
  const files = contents(join(space.path, `whole-${run}`))
  return { files, start: first - began, training: performance.now() - first }
}

async function oneRound(space: Space, setting: Setting): Promise<KillRound> {
  const { run, death, reference, uniform } = setting
  const out = join(space.path, 'out')
  rmSync(out, { recursive: true, force: true })
  const round = { run, death: death.name, deaths: 0, resumedAt: [], skipped: null, problems: [] }
  if (!death.prepare) mkdirSync(out)
  using prepared = death.prepare?.(out) ?? null
  if (death.prepare && !prepared) return { ...round, skipped: 'no file system can be mounted here' }
  const problems: string[] = []
  const resumedAt: number[] = []
  let options: readonly string[] = []
  let saved = 0
  let deaths = 0
  for (; deaths < 2; deaths++) {
    const child = space.start(run, 'out', options)
    await moment(child, reference, uniform)
    death.strike(child, out)
    const end = await child.ended
    death.mend?.(out)
    if (saved === 0 && NOTHING_YET.test(end.output)) {
      options = []
      continue
    }
    problems.push(...judgeEnd(death, end), ...judgeStart(options, end.output, saved))
    saved = Math.max(saved, lastNumber(end.output, /saved \S*checkpoint-(\d+)/g))
    const from = /resumed from \S+ at step (\d+)/.exec(end.output)?.[1]
    if (from !== undefined) resumedAt.push(Number(from))
    if (death.survives || end.code === 0) {
      if (end.code !== 0) problems.push('it did not go on to its end')
      break
    }
    options = ['--resume']
  }
  if (!existsSync(join(out, 'finished.json'))) {
    const more = await finish(space, run, saved)
    problems.push(...more.problems)
    resumedAt.push(...more.resumedAt)
  }
  problems.push(
    ...compare(reference.files, contents(out)),
    ...leftovers(out).map((name) => `${name} is left`),
  )
  return { ...round, deaths: Math.max(deaths, 1), resumedAt, problems }
}

/** What a resume says when the runs before were disturbed too early to save anything. */
const NOTHING_YET = /^error: (?:--set output_dir: )?\.\/out: there is no checkpoint to resume from$/m

/** A quarter of the moments anywhere, the others while it trains and saves. */
async function moment(
  child: ReturnType<Space['start']>,
  { start, training }: Reference,
  uniform: () => number,
): Promise<void> {
  if (uniform() < 0.25) return void (await sleep(uniform() * (start + training)))
  await child.until('step ')
  await sleep(uniform() * training)
}

/** A run that was asked to resume must say from where, or that there is nothing; what was saved must not be forgotten. */
function judgeStart(options: readonly string[], output: string, saved: number): string[] {
  if (!options.includes('--resume') || !output.includes('step ')) return []
  const from = lastNumber(output, /resumed from \S+ at step (\d+)/g)
  return from < saved || from === 0
    ? [`resumed at ${from}, but step ${saved} was saved: ${output.slice(0, 600)}`]
    : []
}

/** Resumes undisturbed; where there is no checkpoint that must be said, and a plain start goes from the beginning. */
async function finish(
  space: Space,
  run: RunKind,
  saved: number,
): Promise<Pick<KillRound, 'problems' | 'resumedAt'>> {
  const { code, output } = await space.start(run, 'out', ['--resume']).ended
  const problems = judgeStart(['--resume'], output, saved)
  if (code === 0) return { problems, resumedAt: [lastNumber(output, /resumed from \S+ at step (\d+)/g)] }
  if (saved > 0 || !NOTHING_YET.test(output))
    return { problems: [...problems, `the resume failed: ${output.slice(-600)}`], resumedAt: [] }
  const again = await space.start(run, 'out').ended
  if (again.code !== 0) problems.push(`the new start failed: ${again.output.slice(-600)}`)
  return { problems, resumedAt: [0] }
}

/** Same files with the same bits. Which old checkpoints are kept depends on where it stopped; those of both are equal. */
function compare(expected: ReadonlyMap<string, string>, got: ReadonlyMap<string, string>): string[] {
  const isOwn = (name: string): boolean => !name.startsWith('checkpoint-')
  const checkpoints = new Set(
    [...got.keys()].filter((name) => !isOwn(name)).map((name) => name.split('/')[0]),
  )
  return [
    ...[...expected].flatMap(([name, content]) => {
      const other = got.get(name)
      if (other === undefined) return isOwn(name) ? [`${name} is missing`] : []
      return other === content ? [] : [`${name} differs`]
    }),
    ...[...got.keys()].flatMap((name) => (isOwn(name) && !expected.has(name) ? [`${name} is too much`] : [])),
    ...(checkpoints.size > 2 ? [`${checkpoints.size} checkpoints are kept`] : []),
  ]
}
