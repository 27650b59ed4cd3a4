/**
 * Everything about a GPU in one command, for a machine that builds nothing and has no network: does it work at all, is every
 * op right, do the losses agree, how fast is it beside torch, what does the sanitizer say.
 *
 *   bun scripts/bench/gpu.ts --python /path/to/python --out results
 *
 * Prints a line per result and goes on after every failure. Every result is in gpu.jsonl as soon as it is known, gpu.md is
 * written after every section; `bun scripts/bench/gpu-report.ts results` puts them into docs/benchmarks.md.
 */
import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { didYouMean, TrituneError } from '../../core/errors.ts'
import { writeFileAtomic } from '../../core/files/atomic.ts'
import { numberOption, runCommand } from '../_cli.ts'
import { ensureInstalled, ROOT } from '../_setup.ts'
import { createJournal, type Entry, JOURNAL } from './gpu/journal.ts'
import { formatLine, formatMarkdown, type GpuResult, resultOf } from './gpu/result.ts'
import { runStep } from './gpu/run-step.ts'
import { SECTION_NAMES, SECTIONS } from './gpu/sections.ts'

const HELP = `Check and measure a GPU.

  bun scripts/bench/gpu.ts [options]

  --only <a,b>      these sections only, in this order: environment, first-contact, ops, losses, end-to-end, sanitizer,
                    attention, gemm, cross-entropy, streams, lora, packed, wgmma, vsa
  --python <path>   Python with torch (and for losses and end-to-end transformers and peft); default: TRITUNE_PYTHON
  --out <folder>    for gpu.jsonl and gpu.md; default: OUT, then gpu-results
  --gemm <name>     auto, own, mma, wgmma or cublaslt in all sections; default: auto, or mma when auto fails
  --seed <n>        of the random inputs; default: a new one each time
  --limit <s>       seconds for all sections together, default 540
  --quick           fewer repetitions
  --emulated        on the emulated GPU, with tiny sizes: does it run
  --help            this text
`

await runCommand({
  help: HELP,
  positionals: { min: 0, max: 0 },
  options: {
    only: { type: 'string' },
    python: { type: 'string' },
    out: { type: 'string' },
    gemm: { type: 'string' },
    seed: { type: 'string' },
    limit: { type: 'string' },
    quick: { type: 'boolean' },
    emulated: { type: 'boolean' },
  },
  async run({ values }) {
    const wanted = values.only?.split(',') ?? SECTION_NAMES
    for (const name of wanted)
      if (!SECTION_NAMES.includes(name))
        throw new TrituneError('E_USAGE', `there is no section "${name}"`, {
          remedy: didYouMean(name, SECTION_NAMES),
        })
    const out = resolve(values.out ?? process.env.OUT ?? 'gpu-results')
    const limit = numberOption('limit', values.limit, 540)
    const seed = numberOption('seed', values.seed, Date.now() % 2 ** 31)
    const python = values.python ?? process.env.TRITUNE_PYTHON ?? null
    const { emulated = false, quick = false } = values
    // Where there is no network, packages that are there are not looked at twice.
    if (!existsSync(join(ROOT, 'node_modules/valibot'))) await ensureInstalled()
    mkdirSync(out, { recursive: true })
    const scratch = mkdtempSync(join(tmpdir(), 'tritune-gpu-'))
    const command = commandOf(values, python)
    const head = {
      kind: 'head',
      command,
      date: new Date().toISOString().slice(0, 10),
      seed,
      emulated,
    } as const
    const write = createJournal(join(out, JOURNAL), head)
    const started = performance.now()
    const left = (): number => limit - (performance.now() - started) / 1000
    const results: GpuResult[] = []
    const keep = (entry: Entry): void => {
      write(entry)
      if (entry.kind !== 'result') return
      results.push(entry)
      console.log(formatLine(entry))
    }
    const say = (result: GpuResult): void => keep({ kind: 'result', ...result })
    let gemm = values.gemm ?? null
    try {
      for (const section of SECTIONS.filter(({ name }) => wanted.includes(name))) {
        const { name } = section
        console.log(`\n== ${name}`)
        const began = performance.now()
        let isWhole = true
        for (const step of section.steps) {
          const seconds = Math.min(step.limit, left())
          const options = {
            section: name,
            step: step.name,
            seed,
            scratch,
            out,
            emulated,
            quick,
            gemm,
            python,
            seconds,
          }
          if (seconds >= 10) isWhole = (await runStep(options, keep)) && isWhole
          else {
            say(resultOf(name, { name: `the step ${step.name}`, note: 'not run: no time left' }))
            isWhole = false
          }
        }
        // `auto` is cuBLASLt where there is one: what comes after does without it only where it failed.
        if (gemm === null && results.some(failedAuto)) {
          gemm = 'mma'
          say(resultOf(name, { name: `from here on gemm = ${gemm}` }))
        }
        const seconds = (performance.now() - began) / 1000
        say(resultOf(name, { name: 'time of the section', ours: seconds, unit: 's' }))
        if (isWhole) keep({ kind: 'end', section: name, seconds })
        const title = [
          `# GPU${emulated ? ', emulated: no number of a GPU' : ''}`,
          '',
          `\`${command}\`, seed ${seed}`,
        ]
        writeFileAtomic(join(out, 'gpu.md'), formatMarkdown(results, title))
      }
    } finally {
      rmSync(scratch, { recursive: true, force: true })
    }
    const failed = results.filter(({ ok }) => ok === false)
    console.log(
      `\n${failed.length} failed of ${results.filter(({ ok }) => ok !== null).length} checks; ${join(out, JOURNAL)}`,
    )
    for (const { section, name, note } of failed.slice(0, 60))
      console.log(`FAIL ${section}: ${name}: ${note.split('\n')[0]}`)
    if (failed.length > 0) process.exitCode = 1
  },
})

function failedAuto({ section, name, ok }: GpuResult): boolean {
  return section === 'first-contact' && ok === false && name.startsWith('auto, ')
}

/** As it can stand in the docs: without folders of this machine. */
function commandOf(
  values: Readonly<Record<string, string | boolean | undefined>>,
  python: string | null,
): string {
  const words = ['bun scripts/bench/gpu.ts']
  for (const [name, value] of Object.entries(values)) {
    if (name === 'out' || name === 'python' || value === undefined || value === false) continue
    words.push(value === true ? `--${name}` : `--${name} ${value}`)
  }
  if (python !== null) words.push('--python <python with torch>')
  return words.join(' ')
}
