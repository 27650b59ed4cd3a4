/**
 * `bun run doctor`: what tritune finds on this machine, on one screen, and the one command that mends what is missing.
 * Thin: see doctor/. Needs no packages, so it can say that they are missing.
 */
import { TrituneError } from '../../core/errors.ts'
import { invocation } from '../../core/invocation.ts'
import type { Command } from '../_cli.ts'
import { diagnose } from '../doctor/diagnose.ts'
import { machineFacts } from '../doctor/facts.ts'
import { formatDiagnosis } from '../doctor/format.ts'
import { isProbed, probe } from '../doctor/libraries.ts'

const help = (): string => `Look at this machine: runtime, CPU, GPUs, drivers, libraries, hub, disk.

  ${invocation('doctor')} [options]

  --json   the same as JSON
  --help   this text

The exit code is 0 when models can be fine-tuned here; the CPU is enough for that.
`

const OPTIONS = { json: { type: 'boolean' }, probe: { type: 'string' } } as const

export const doctor: Command<typeof OPTIONS> = {
  help,
  positionals: { min: 0, max: 0 },
  options: OPTIONS,
  async run({ values }) {
    if (values.probe !== undefined) {
      if (!isProbed(values.probe)) throw new TrituneError('E_USAGE', `--probe: no library "${values.probe}"`)
      process.stdout.write(`${JSON.stringify(await probe(values.probe))}\n`)
      return
    }
    const diagnosis = diagnose(machineFacts())
    const text = values.json ? JSON.stringify(diagnosis, null, 2) : formatDiagnosis(diagnosis).join('\n')
    process.stdout.write(`${text}\n`)
    if (!diagnosis.works) process.exitCode = 1
  },
}
