/**
 * Time that is not training: from a command to its help, to its first step, and what the trainer adds to a step.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { TrituneError } from '../../../core/errors.ts'
import { openCpu } from '../../../plugins/cpu/mod.ts'
import { readFinetuneConfig } from '../../../plugins/finetune/mod.ts'
import { ROOT } from '../../_setup.ts'
import { median } from '../_measure.ts'
import { createRandomStep } from '../_random-step.ts'
import { timeDevice } from '../_timed-device.ts'
import type { BenchContext, Row, Topic } from '../_topic.ts'

const QUICKSTART = 'quickstart/quickstart.yaml'

export const startup: Topic = {
  name: 'startup',
  async run(context) {
    const repeat = context.quick ? 3 : 9
    const rows = [await helpRow(repeat), configRow(repeat), await firstStepRow(context, repeat)]
    return [...rows, overheadRow(context, 'f32'), overheadRow(context, 'bf16')]
  },
}

type Limits = Pick<Row, 'name' | 'unit' | 'floor' | 'goal'> & { readonly note?: string }

/** A row that has nothing to be compared with: smaller is better. */
function absolute(values: readonly number[], limits: Limits): Row {
  return { ours: median(values), peer: null, ratio: null, better: 'lower', ...limits }
}

async function helpRow(repeat: number): Promise<Row> {
  const values: number[] = []
  for (let i = 0; i < repeat; i++) {
    const started = performance.now()
    const child = Bun.spawn([process.execPath, 'scripts/finetune.ts', '--help'], {
      cwd: ROOT,
      stdout: 'ignore',
      stderr: 'inherit',
    })
    if ((await child.exited) !== 0) throw new TrituneError('E_NATIVE', 'finetune --help failed')
    values.push((performance.now() - started) / 1000)
  }
  return absolute(values, { name: 'finetune --help', unit: 's', floor: 0.2, goal: 0.1 })
}

function configRow(repeat: number): Row {
  const text = readConfig()
  const values: number[] = []
  for (let i = 0; i <= repeat; i++) {
    const started = performance.now()
    readFinetuneConfig(text, QUICKSTART)
    values.push(performance.now() - started)
  }
  const [cold, ...warm] = values
  return absolute(warm, {
    name: 'read and check a configuration',
    unit: 'ms',
    floor: 10,
    goal: 3,
    note: `the first time ${cold.toFixed(1)} ms`,
  })
}

/** From the start of the process to the line of the first step in metrics.jsonl. */
async function firstStepRow({ progress }: BenchContext, repeat: number): Promise<Row> {
  readConfig()
  const values: number[] = []
  for (let i = 0; i < Math.min(repeat, 5); i++) {
    progress(`first step of the quickstart model, run ${i + 1}`)
    const folder = mkdtempSync(join(tmpdir(), 'tritune-bench-'))
    try {
      values.push(await timeToFirstStep(folder))
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  }
  return absolute(values, {
    name: 'command → first step of the quickstart',
    unit: 's',
    floor: 1.5,
    goal: 0.8,
  })
}

async function timeToFirstStep(folder: string): Promise<number> {
  const settings = [`output_dir=${folder}`, 'max_steps=1', 'evals_per_epoch=0'].flatMap((setting) => [
    '--set',
    setting,
  ])
  const started = performance.now()
  const child = Bun.spawn([process.execPath, 'scripts/finetune.ts', QUICKSTART, ...settings], {
    cwd: ROOT,
    stdout: 'ignore',
    stderr: 'pipe',
  })
  const metrics = join(folder, 'metrics.jsonl')
  while (child.exitCode === null && !hasStep(metrics)) await Bun.sleep(2)
  const elapsed = (performance.now() - started) / 1000
  if ((await child.exited) !== 0 || !hasStep(metrics)) {
    throw new TrituneError(
      'E_NATIVE',
      `the quickstart run failed: ${(await new Response(child.stderr).text()).trim()}`,
    )
  }
  return elapsed
}

function hasStep(file: string): boolean {
  return existsSync(file) && readFileSync(file, 'utf8').includes('"step":1')
}

function readConfig(): string {
  if (!existsSync(ROOT + QUICKSTART))
    throw new TrituneError('E_FILE', 'the configuration of the quickstart is not there', {
      place: QUICKSTART,
    })
  return readFileSync(ROOT + QUICKSTART, 'utf8')
}

/** Share of a step that is not spent in native ops: JavaScript, the tape, memory management. */
function overheadRow({ quick, threads, progress }: BenchContext, dtype: 'f32' | 'bf16'): Row {
  progress(`steps of a fifth of SmolLM2-135M, ${dtype}`)
  const timed = timeDevice(openCpu({ threads }))
  using random = createRandomStep(timed.device, dtype)
  const shares: number[] = []
  for (let i = -1; i < (quick ? 3 : 7); i++) {
    timed.take()
    const started = performance.now()
    random.step()
    const elapsed = (performance.now() - started) / 1000
    if (i >= 0) shares.push(100 * (1 - timed.take() / elapsed))
  }
  const slow = [...timed.reference]
  return absolute(shares, {
    name: `a step outside of ops, ${dtype}`,
    unit: '%',
    floor: 5,
    goal: 1,
    note: slow.length > 0 ? `on the TypeScript reference: ${slow.join(', ')}` : undefined,
  })
}
