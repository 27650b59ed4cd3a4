/**
 * Two runs, or two resumes, on one output folder at the same time: one trains as if it were alone, the other is refused
 * and names the first.
 */
import { cpSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { createRandom } from '../../core/tensor/random.ts'
import { contents, createSpace, type Ended, leftovers, type Space } from './space.ts'

export interface TwiceRound {
  readonly kind: 'start' | 'resume'
  /** Process that was refused: the first or second that was started. */
  readonly refused: 1 | 2 | null
  readonly problems: readonly string[]
}

export interface TwiceOptions {
  readonly rounds: number
  readonly seed?: number
  readonly steps?: number
  onRound?(round: TwiceRound): void
}

export async function twiceRounds({
  rounds,
  seed = 1,
  steps = 120,
  onRound = () => {},
}: TwiceOptions): Promise<TwiceRound[]> {
  using space = createSpace({ steps })
  const random = createRandom(seed, 'twice')
  const whole = await space.start('lora', 'whole').ended
  if (whole.code !== 0) throw new Error(`the run alone failed: ${whole.output}`)
  const expected = contents(join(space.path, 'whole'))
  await stopEarly(space)
  const done: TwiceRound[] = []
  for (let i = 0; i < rounds; i++) {
    const round = await oneRound(space, i % 2 === 0 ? 'start' : 'resume', random.float() * 120, expected)
    done.push(round)
    onRound(round)
  }
  return done
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** A folder `half` with a checkpoint, to resume copies of. */
async function stopEarly(space: Space): Promise<void> {
  const child = space.start('lora', 'half')
  await child.until('saved ')
  child.process.kill('SIGTERM')
  const { code, output } = await child.ended
  if (code !== 143) throw new Error(`the run did not stop: ${output}`)
}

async function oneRound(
  space: Space,
  kind: TwiceRound['kind'],
  apart: number,
  expected: ReadonlyMap<string, string>,
): Promise<TwiceRound> {
  const out = join(space.path, 'out')
  let { pids, ends } = await bothAtOnce(space, kind, apart)
  // On a machine that stands still for a while the second may begin when the first is through: that was not at once.
  for (let again = 0; again < 5 && ends.some(({ output }) => TOO_LATE.test(output)); again++)
    ({ pids, ends } = await bothAtOnce(space, kind, apart))
  const refused = ends.findIndex(({ code }) => code !== 0)
  const problems: string[] = []
  if (refused < 0) problems.push('both went through')
  else if (ends[1 - refused].code !== 0)
    problems.push(`both failed: ${ends.map(({ output }) => output).join()}`)
  else problems.push(...judgeRefusal(ends[refused], pids[1 - refused]))
  const got = contents(out)
  for (const [name, content] of expected)
    if (!name.startsWith('checkpoint-') && got.get(name) !== content) problems.push(`${name} differs`)
  problems.push(...leftovers(out).map((name) => `${name} is left`))
  return { kind, refused: refused === 0 ? 1 : refused === 1 ? 2 : null, problems }
}

const TOO_LATE = /a finished run is here|nothing to resume/

async function bothAtOnce(
  space: Space,
  kind: TwiceRound['kind'],
  apart: number,
): Promise<{ readonly pids: readonly number[]; readonly ends: readonly Ended[] }> {
  const out = join(space.path, 'out')
  rmSync(out, { recursive: true, force: true })
  if (kind === 'resume') cpSync(join(space.path, 'half'), out, { recursive: true })
  const options = kind === 'resume' ? ['--resume'] : []
  const first = space.start('lora', 'out', options)
  await sleep(apart)
  const second = space.start('lora', 'out', options)
  return { pids: [first.pid, second.pid], ends: [await first.ended, await second.ended] }
}

function judgeRefusal({ code, output }: Ended, other: number): string[] {
  const wanted = new RegExp(
    `^error: (?:--set output_dir: )?\\./out: another run is at work here: process ${other} on \\S+, since \\d{4}-\\d\\d-\\d\\d \\d\\d:\\d\\d:\\d\\d UTC`,
    'm',
  )
  return code === 1 && wanted.test(output) ? [] : [`refused with ${code}: ${output}`]
}
