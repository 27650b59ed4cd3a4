/**
 * Puts what a GPU run found into docs/benchmarks.md. Running it again with the same folders changes nothing.
 *
 *   bun scripts/bench/gpu-report.ts results [more results]
 */
import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { TrituneError } from '../../core/errors.ts'
import { writeFileAtomic } from '../../core/files/atomic.ts'
import { runCommand } from '../_cli.ts'
import { ROOT } from '../_setup.ts'
import { JOURNAL, readJournal } from './gpu/journal.ts'
import { insertReport, reportOf } from './gpu/report.ts'

const HELP = `Put the results of a GPU into docs/benchmarks.md.

  bun scripts/bench/gpu-report.ts <folder> [folder …]

  <folder>        where scripts/bench/gpu.ts left its gpu.jsonl; of a section that several have, the last one counts
  --docs <file>   default: docs/benchmarks.md
  --help          this text

Results of the emulator are refused.
`

await runCommand({
  help: HELP,
  positionals: { min: 1, max: 9 },
  options: { docs: { type: 'string' } },
  run({ values, positionals }) {
    const docs = resolve(values.docs ?? join(ROOT, 'docs/benchmarks.md'))
    const runs = positionals.map((folder) => {
      const place = join(folder, JOURNAL)
      return { journal: readJournal(place), place }
    })
    const report = reportOf(runs)
    const before = readText(docs)
    const after = insertReport(before, report, docs)
    if (after !== before) writeFileAtomic(docs, after)
    console.log(`${docs}: ${after === before ? 'nothing to change' : 'written'}`)
  },
})

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (cause) {
    throw new TrituneError('E_FILE', 'cannot be read', {
      place: path,
      remedy: 'give a file to --docs',
      cause,
    })
  }
}
