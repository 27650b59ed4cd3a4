/**
 * `bun run oracle trl`: the losses over preferences beside trl, which computes them now (tests/oracle/preferences.py): loss, rewards and
 * the gradients of every tensor of a LoRA, and twenty steps of DPO.
 */
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { TrituneError } from '../../core/mod.ts'
import { openCpu } from '../../plugins/cpu/mod.ts'
import { temporaryFolder } from '../../tests/_golden.ts'
import { gradientTolerance, measureCase, measureSteps, openTrl } from '../../tests/plugins/preference/_trl.ts'
import { ROOT } from '../_setup.ts'
import { atMost, formatRow, type Row } from './_row.ts'

const SCRIPT = join(ROOT, 'tests/oracle/preferences.py')

/** True when everything is within its tolerance. */
export function runTrlOracle(python: string): boolean {
  const device = openCpu()
  using temporary = temporaryFolder()
  console.log(`${device.description}; trl ${computed(python, temporary.path)}`)
  const golden = openTrl(temporary.path)
  const rows: Row[] = []
  for (const name of Object.keys(golden.expected.cases)) {
    const { loss, metrics, gradients, compared } = measureCase(golden, name, device)
    rows.push(
      atMost(`${name}: loss`, loss, 1e-5),
      atMost(`${name}: rewards and log-probabilities`, metrics, 1e-5),
      atMost(
        `${name}: gradients of ${compared} tensors`,
        compared > 0 ? gradients : Number.NaN,
        gradientTolerance(name),
      ),
    )
  }
  rows.push(atMost('20 steps of DPO with LoRA: losses', measureSteps(golden, device), 1e-4))
  for (const row of rows) console.log(formatRow(row))
  return rows.every(({ ok }) => ok)
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** Writes what trl gives to the folder. The version of trl. */
function computed(python: string, folder: string): string {
  const { status, stderr, error } = spawnSync(python, [SCRIPT, folder], { encoding: 'utf8' })
  if (status === 0) {
    const version = spawnSync(python, ['-c', 'import trl; print(trl.__version__)'], { encoding: 'utf8' })
    return version.stdout.trim()
  }
  throw new TrituneError(
    'E_USAGE',
    `the oracle needs trl: ${error?.message ?? stderr.trim().split('\n').at(-1) ?? ''}`,
    {
      place: python,
      remedy:
        '`pip install trl==1.16.0 peft` in a virtual environment, and name its python with --python or TRITUNE_PYTHON',
    },
  )
}
