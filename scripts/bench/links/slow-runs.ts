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
import { twoMachines } from './namespaces.ts'

const ROOT = fileURLToPath(new URL('../../../', import.meta.url))
const RATES = { '10 Mb/s': '10mbit', '1 Gb/s': '1gbit' } as const
const STEPS = { quick: 10, long: 60 }

/** What is set in the file for each; as many steps of the same rows. */
const WAYS: Readonly<Record<string, readonly string[]>> = {
  'every step': [],
  'diloco, dense': ['diloco={"every":5,"codec":"dense"}'],
  'diloco, ternary': ['diloco={"every":5,"codec":"ternary"}'],
}

/** Milliseconds of a step, beside sharing every step; what they cost in loss is another benchmark, `compression`. Needs machines of namespaces.ts. */
export function slowRuns({ quick, progress }: BenchContext): Row[] {
  return Object.entries(RATES).flatMap(([rate, shaped]) => {
    const found = Object.entries(WAYS).map(([way, settings]): [string, Outcome] => {
      progress(`steps over ${rate}: ${way}`)
      return [way, run(shaped, [`max_steps=${quick ? STEPS.quick : STEPS.long}`, ...settings])]
    })
    const together = found[0][1].milliseconds
    return found.map(([way, { milliseconds, sent }]) => ({
      name: `a step, ${rate}, ${way}`,
      unit: 'ms',
      ours: milliseconds,
      peer: together,
      ratio: milliseconds / together,
      better: 'lower' as const,
      floor: null,
      goal: null,
      ...(sent !== null && { note: `${(sent / 1000).toFixed(1)} KB sent a step` }),
    }))
  })
}

// ---- helpers ----------------------------------------------------------------------------------------------------

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

/** All steps but the first, which opens connections. */
function outcomeOf(metrics: string): Outcome {
  const lines = metrics
    .trimEnd()
    .split('\n')
    .map((line): Line => JSON.parse(line))
  const seconds = lines.slice(1).reduce((sum, line) => sum + line.seconds, 0)
  const sent = lines.at(-1)?.sent_bytes
  return {
    milliseconds: (1000 * seconds) / (lines.length - 1),
    sent: sent === undefined ? null : sent / lines.length,
  }
}
