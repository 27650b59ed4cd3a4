/**
 * Writes the report of a run. Thin: reads arguments, calls plugins/evaluate, writes.
 */
import { join } from 'node:path'
import { writeFileAtomic } from '../../core/files/atomic.ts'
import { invocation } from '../../core/invocation.ts'
import type { Command } from '../_cli.ts'
import { writeJson } from '../terminal/json-lines.ts'
import { ensureInstalled } from '../_setup.ts'
import { out } from '../terminal/streams.ts'

const help =
  (): string => `Write the report of a run: curves, samples, evaluation, settings, the command to repeat it. One HTML file that needs no network.

  ${invocation('report')} <run> [options]

  <run>             the output_dir of a run, or a name or the beginning of an id that \`runs\` lists
  --output <file>   default: report.html in the folder of the run
  --json            what the page shows as one JSON object on stdout; no file is written
  --help            this text

What \`evaluate --save\` measured is part of it, and of the model card that \`push\` writes.
`

const OPTIONS = { output: { type: 'string' }, json: { type: 'boolean' } } as const

export const report: Command<typeof OPTIONS> = {
  help,
  positionals: { min: 1, max: 1, missing: 'name a run: its output_dir' },
  options: OPTIONS,
  async run({ positionals: [named], values }) {
    await ensureInstalled()
    const { reportPage, runReport } = await import('../../plugins/evaluate/mod.ts')
    const { isRun, openRunIndex } = await import('../../plugins/runs/mod.ts')
    const { findRun } = await import('../runs/find-run.ts')
    const folderOf = async (): Promise<string> => {
      if (isRun(named)) return named
      using index = await openRunIndex()
      index.refresh(['.'])
      return findRun(named, index).folder
    }
    const folder = await folderOf()
    const found = runReport(folder)
    if (values.json) return writeJson({ type: 'report', folder, ...found })
    const file = values.output ?? join(folder, 'report.html')
    writeFileAtomic(file, reportPage(found))
    out.write(`${file}\n`)
  },
}
