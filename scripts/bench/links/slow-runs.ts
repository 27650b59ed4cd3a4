/**
 * Runs of the bundled model on two processes with a slow cable between them: sharing every step, and steps of their own with `diloco`.
 */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { TrituneError } from '../../../core/errors.ts'
import type { BenchContext, Row } from '../_topic.ts'
import { mean, median } from '../_measure.ts'
import { breakEven, formatBreakEven, type StepAtRate } from './break-even.ts'
import { twoMachines } from './namespaces.ts'

const ROOT = fileURLToPath(new URL('../../../', import.meta.url))
const RATES = { '100 Mb/s': 100, '1 Gb/s': 1000, '10 Gb/s': 10_000 } as const
const STEPS = { quick: 21, long: 61 }
/** Steps that are timed together: in so many each way has sent its share. */
const ROUND = 5

/** What is set in the file for each; as many steps of the same rows. */
const WAYS: Readonly<Record<string, readonly string[]>> = {
  'every step': [],
  'every step, bf16': ['diloco={"every":1,"codec":"bf16"}'],
  'every step, ternary': ['diloco={"every":1,"codec":"ternary"}'],
  'diloco, dense': ['diloco={"every":5,"codec":"dense"}'],
  'diloco, ternary': ['diloco={"every":5,"codec":"ternary"}'],
}

/** Milliseconds of a step, beside f32 gradients every step; what they cost in loss is another benchmark, `compression`. Needs machines of namespaces.ts. */
export function slowRuns({ quick, only, progress }: BenchContext): Row[] {
  const steps = quick ? STEPS.quick : STEPS.long
  const ways = Object.keys(WAYS).map((way): [string, StepAtRate[]] => [way, []])
  const rows = Object.entries(RATES)
    .filter(([rate]) => only === null || `a step, ${rate}`.includes(only))
    .flatMap(([rate, megabits]) => {
      const found = ways.map(([way, points]) => {
        progress(`steps over ${rate}: ${way}`)
        const outcome = run(`${megabits}mbit`, [`max_steps=${steps}`, ...WAYS[way]])
        points.push({ bitsPerSecond: 1e6 * megabits, seconds: outcome.milliseconds / 1000 })
        return { way, ...outcome }
      })
      return found.map((one): Row => rowOf(`a step, ${rate}, ${one.way}`, one, found[0].milliseconds))
    })
  const [[, together], ...others] = ways
  if (together.length < 2) return rows
  return [...rows, ...others.map(([way, points]) => breakEvenRow(way, together, points))]
}

// ---- helpers ----------------------------------------------------------------------------------------------------

const INFORMS = { better: 'lower', floor: null, goal: null } as const

function rowOf(name: string, { milliseconds, sent }: Outcome, together: number): Row {
  return {
    ...INFORMS,
    name,
    unit: 'ms',
    ours: milliseconds,
    peer: together,
    ratio: milliseconds / together,
    ...(sent !== null && { note: `${(sent / 1000).toFixed(1)} KB sent a step` }),
  }
}

function breakEvenRow(way: string, together: readonly StepAtRate[], points: readonly StepAtRate[]): Row {
  const rate = breakEven(together, points)
  return {
    ...INFORMS,
    name: `break-even, ${way}`,
    // Nothing is said of rates beyond those that were measured.
    ours: Math.min(rate, ...points.slice(-1).map(({ bitsPerSecond }) => bitsPerSecond)) / 1e6,
    peer: null,
    ratio: null,
    unit: 'Mb/s',
    better: 'higher',
    note: `${formatBreakEven(rate)}, beside f32 gradients every step`,
  }
}

interface Outcome {
  readonly milliseconds: number
  /** Bytes of a step; null: it does not say. */
  readonly sent: number | null
}

function run(rate: string, settings: readonly string[]): Outcome {
  using machines = twoMachines(rate)
  const output = mkdtempSync(join(tmpdir(), 'tritune-slow-'))
  const all = [`output_dir=${output}`, 'save_steps=0', ...settings]
  const [command, ...args] = [
    ...machines.on(machines.names[0]),
    'mpirun.openmpi',
    ...'-n 2 --bind-to none'.split(' '),
    ...machines.options,
    process.execPath,
    ...'scripts/finetune.ts quickstart/distributed.yaml'.split(' '),
    // A shell of the machine reads it.
    ...all.flatMap((set) => ['--set', set.replaceAll('"', String.raw`\"`)]),
  ]
  const { status, stderr } = spawnSync(command, args, {
    cwd: ROOT,
    encoding: 'utf8',
    env: { ...process.env, OMPI_ALLOW_RUN_AS_ROOT: '1', OMPI_ALLOW_RUN_AS_ROOT_CONFIRM: '1' },
    timeout: 300_000,
  })
  try {
    if (status !== 0) throw new TrituneError('E_NATIVE', `a run of two processes failed: ${stderr}`)
    return outcomeOf(readFileSync(join(output, 'metrics.jsonl'), 'utf8'))
  } finally {
    rmSync(output, { recursive: true, force: true })
  }
}

interface Line {
  readonly seconds: number
  readonly sent_bytes?: number
}

/** The median over rounds, as the machine may have other work; without the first step, which opens connections. */
function outcomeOf(metrics: string): Outcome {
  const lines = metrics
    .trimEnd()
    .split('\n')
    .map((line): Line => JSON.parse(line))
  const times = lines.slice(1).map(({ seconds }) => seconds)
  const rounds = Array.from({ length: Math.floor(times.length / ROUND) }, (_, round) =>
    mean(times.slice(round * ROUND, (round + 1) * ROUND)),
  )
  const sent = lines.at(-1)?.sent_bytes
  return {
    milliseconds: 1000 * median(rounds),
    sent: sent === undefined ? null : sent / lines.length,
  }
}
