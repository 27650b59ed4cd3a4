/**
 * Runs that are disturbed: killed, hung up on, cut off from their reader, on a full disk, or two at once; and a server whose clients are. Thin:
 * the rounds are in tests/stress.
 */
import { TrituneError } from '../core/errors.ts'
import { ABOVE_0, numberOption, runCommand } from './_cli.ts'
import { ensureInstalled } from './_setup.ts'
import { out } from './terminal/streams.ts'

const HELP = `Disturb training runs, or a server, and look at what comes of them.

  bun scripts/stress.ts kills [options]   kills and other disturbances at random moments, then resumes
  bun scripts/stress.ts twice [options]   two runs at once on one folder
  bun scripts/stress.ts serve [options]   clients of a server, cut off in every way

  --minutes <n>  of serve, default 10
  --rounds <n>   default 200 for kills, 20 for twice
  --seed <n>     of the moments, default 1
  --help         this text

Prints one line for each kind of round. The exit code is 1 when a run lost a bit, left something behind, started anew
in silence, when not exactly one of two was refused, or when a server answered wrongly, kept something or grew.
`

await runCommand({
  help: HELP,
  positionals: { min: 1, max: 1 },
  output: 'report',
  options: { rounds: { type: 'string' }, seed: { type: 'string' }, minutes: { type: 'string' } },
  async run({ positionals: [what], values }) {
    const seed = numberOption('seed', values.seed, 1)
    await ensureInstalled()
    if (what === 'kills') return kills(numberOption('rounds', values.rounds, 200), seed)
    if (what === 'twice') return twice(numberOption('rounds', values.rounds, 20), seed)
    if (what === 'serve') return soak(numberOption('minutes', values.minutes, 10, ABOVE_0), seed)
    throw new TrituneError('E_USAGE', `expected kills, twice or serve, got "${what}"`)
  },
})

async function kills(rounds: number, seed: number): Promise<void> {
  const { killRounds } = await import('../tests/stress/kills.ts')
  const began = performance.now()
  const done = await killRounds({
    rounds,
    seed,
    onRound: ({ run, death, problems }) => tell(`${run}, ${death}`, problems),
  })
  const groups = Map.groupBy(done, ({ run, death }) => `${death.padEnd(12)}${run}`)
  for (const [name, group] of [...groups].toSorted(([a], [b]) => (a < b ? -1 : 1))) {
    const skipped = group.find((round) => round.skipped !== null)?.skipped
    const resumed = group.flatMap(({ resumedAt }) => resumedAt)
    out.write(
      skipped
        ? `${name.padEnd(24)}not here: ${skipped}\n`
        : `${name.padEnd(24)}${group.length} rounds, ${sum(group.map(({ deaths }) => deaths))} disturbances, resumed at steps ${resumed.join(' ') || '–'}: ${verdict(group)}\n`,
    )
  }
  conclude(done, began)
}

async function twice(rounds: number, seed: number): Promise<void> {
  const { twiceRounds } = await import('../tests/stress/twice.ts')
  const began = performance.now()
  const done = await twiceRounds({ rounds, seed, onRound: ({ kind, problems }) => tell(kind, problems) })
  for (const [kind, group] of Map.groupBy(done, (round) => round.kind)) {
    const second = group.filter(({ refused }) => refused === 2).length
    out.write(
      `two ${kind === 'start' ? 'starts' : 'resumes'} at once: ${group.length} rounds, the second refused ${second} times: ${verdict(group)}\n`,
    )
  }
  conclude(done, began)
}

async function soak(minutes: number, seed: number): Promise<void> {
  const { serveSoak } = await import('../tests/stress/serve.ts')
  const MiB = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(0)} MiB`
  const { counts, problems } = await serveSoak({
    seconds: minutes * 60,
    seed,
    onSample: ({ seconds, requests, rss, heap }) =>
      out.write(
        `${String(seconds).padStart(5)} s  ${requests} requests, process ${MiB(rss)}, heap ${MiB(heap)}\n`,
      ),
  })
  tell('serve', problems)
  out.write(
    `${Object.entries(counts)
      .map(([kind, count]) => `${count} ${kind}`)
      .join(', ')}: ${verdict([{ problems }])}\n`,
  )
  if (problems.length > 0) process.exitCode = 1
}

interface Judged {
  readonly problems: readonly string[]
}

function tell(what: string, problems: readonly string[]): void {
  for (const problem of problems) out.write(`${what}: ${problem}\n`)
}

function verdict(group: readonly Judged[]): string {
  const bad = group.filter(({ problems }) => problems.length > 0).length
  return bad === 0 ? 'all right' : `${bad} wrong`
}

function conclude(done: readonly Judged[], began: number): void {
  const bad = done.filter(({ problems }) => problems.length > 0).length
  out.write(
    `${done.length} rounds in ${((performance.now() - began) / 1000).toFixed(0)} s: ${verdict(done)}\n`,
  )
  if (bad > 0) process.exitCode = 1
}

function sum(values: readonly number[]): number {
  return values.reduce((a, b) => a + b, 0)
}
