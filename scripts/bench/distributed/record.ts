/**
 * Records the times of steps that `bench distributed` plays: a run of `quickstart/distributed.yaml` on one process and one thread, with the bundled model or another one.
 *
 *   bun scripts/bench/distributed/record.ts <steps> [<model> <file to write>]
 */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { TrituneError } from '../../../core/mod.ts'
import { writeFileAtomic } from '../../../core/files/atomic.ts'
import { ROOT } from '../../_setup.ts'
import { describeMachine } from '../_machine.ts'
import { RECORDED, traceOfRun } from './trace.ts'

const [steps = '400', model, file = RECORDED] = process.argv.slice(2)
const output = mkdtempSync(join(tmpdir(), 'tritune-trace-'))
try {
  const settings = [`output_dir=${output}`, `max_steps=${steps}`, 'save_steps=0', 'threads=1']
  if (model !== undefined) settings.push(`base_model=${model}`)
  const { status, stderr } = spawnSync(
    process.execPath,
    [
      'scripts/finetune.ts',
      'quickstart/distributed.yaml',
      ...settings.flatMap((setting) => ['--set', setting]),
    ],
    { cwd: ROOT, encoding: 'utf8' },
  )
  if (status !== 0) throw new TrituneError('E_NATIVE', `the run failed: ${stderr}`)
  const { cpu, cores, date } = describeMachine('')
  const { gradientBytes, seconds } = traceOfRun(output)
  const on = model === undefined ? '' : ` with ${basename(model)}`
  const of = `quickstart/distributed.yaml${on} on one thread of ${cpu}, ${cores} cores, which others used, too; ${date}`
  const rounded = seconds.map((one) => Number(one.toPrecision(4)))
  writeFileAtomic(file, `${JSON.stringify({ of, gradientBytes, seconds: rounded })}\n`)
} finally {
  rmSync(output, { recursive: true, force: true })
}
