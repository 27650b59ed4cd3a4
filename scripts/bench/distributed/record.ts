/**
 * Records the times of steps that `bench distributed` plays by default: a run of `quickstart/distributed.yaml` on one process and one thread.
 *
 *   bun scripts/bench/distributed/record.ts [steps]
 */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { TrituneError } from '../../../core/mod.ts'
import { writeFileAtomic } from '../../../core/files/atomic.ts'
import { ROOT } from '../../_setup.ts'
import { describeMachine } from '../_machine.ts'
import { RECORDED, traceOfRun } from './trace.ts'

const [steps = '300'] = process.argv.slice(2)
const output = mkdtempSync(join(tmpdir(), 'tritune-trace-'))
try {
  const settings = [`output_dir=${output}`, `max_steps=${steps}`, 'save_steps=0', 'threads=1']
  const { status, stderr } = spawnSync(
    process.execPath,
    [
      ...['scripts/finetune.ts', 'quickstart/distributed.yaml'],
      ...settings.flatMap((setting) => ['--set', setting]),
    ],
    { cwd: ROOT, encoding: 'utf8' },
  )
  if (status !== 0) throw new TrituneError('E_NATIVE', `the run failed: ${stderr}`)
  const { cpu, cores, date } = describeMachine('')
  const { gradientBytes, seconds } = traceOfRun(output)
  const of = `quickstart/distributed.yaml on one thread of ${cpu}, ${cores} cores, which others used, too; ${date}`
  const rounded = seconds.map((one) => Number(one.toPrecision(4)))
  writeFileAtomic(RECORDED, `${JSON.stringify({ of, gradientBytes, seconds: rounded })}\n`)
} finally {
  rmSync(output, { recursive: true, force: true })
}
