/**
 * Everything about a GPU in one command, for a machine that builds nothing and has no network: is every op right, do the
 * losses agree, how fast is it beside torch.
 *
 *   bun scripts/bench/gpu.ts --python /path/to/python --out results
 *
 * Prints a line per result, writes gpu.json and gpu.md after every section, and goes on after every failure.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { didYouMean, TrituneError } from '../../core/errors.ts'
import { numberOption, runCommand } from '../_cli.ts'
import { ensureInstalled, ROOT } from '../_setup.ts'
import { formatLine, formatMarkdown, type GpuResult, resultOf } from './gpu/result.ts'

const HELP = `Check and measure a GPU.

  bun scripts/bench/gpu.ts [options]

  --only <a,b>      these sections only: environment, wgmma, ops, losses, gemm, attention, cross-entropy, streams, packed,
                    lora, vsa, end-to-end
  --python <path>   Python with torch (and for losses and end-to-end transformers and peft); default: TRITUNE_PYTHON
  --out <folder>    for gpu.json and gpu.md; default: OUT, then gpu-results
  --gemm <name>     auto, own, mma, wgmma or cublaslt in all sections; default: auto, or mma when auto fails
  --seed <n>        of the random inputs; default: a new one each time
  --limit <s>       seconds for all sections together, default 540
  --quick           fewer repetitions
  --emulated        on the emulated GPU, with tiny sizes: does it run
  --help            this text
`

/** Seconds that a section may take; one that hangs is ended. */
const SECTIONS: Readonly<Record<string, number>> = {
  environment: 90,
  wgmma: 90,
  ops: 120,
  losses: 150,
  gemm: 150,
  attention: 150,
  'cross-entropy': 120,
  streams: 120,
  packed: 90,
  lora: 60,
  vsa: 60,
  'end-to-end': 240,
}

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
    const wanted = values.only?.split(',') ?? Object.keys(SECTIONS)
    for (const name of wanted)
      if (!Object.hasOwn(SECTIONS, name))
        throw new TrituneError('E_USAGE', `there is no section "${name}"`, {
          remedy: didYouMean(name, Object.keys(SECTIONS)),
        })
    const folder = resolve(values.out ?? process.env.OUT ?? 'gpu-results')
    const limit = numberOption('limit', values.limit, 540)
    const seed = numberOption('seed', values.seed, Date.now() % 2 ** 31)
    // Where there is no network, packages that are there are not looked at twice.
    if (!existsSync(join(ROOT, 'node_modules/valibot'))) await ensureInstalled()
    mkdirSync(folder, { recursive: true })
    const started = performance.now()
    const left = (): number => limit - (performance.now() - started) / 1000
    const results: GpuResult[] = []
    const keep = (result: GpuResult): void => {
      results.push(result)
      console.log(formatLine(result))
    }
    let gemm = values.gemm ?? null
    for (const section of wanted) {
      console.log(`\n== ${section}`)
      const began = performance.now()
      const options = {
        section,
        seed,
        folder,
        emulated: values.emulated ?? false,
        quick: values.quick ?? false,
        gemm,
      }
      const python = values.python ?? process.env.TRITUNE_PYTHON ?? null
      if (left() < 10) keep(resultOf(section, { name: 'the section', ok: false, note: 'no time left' }))
      else await runSection({ ...options, python }, Math.min(SECTIONS[section], left()), keep)
      // `auto` does not take wgmma: what comes after does without cuBLASLt only where `auto` itself failed.
      if (section === 'wgmma' && results.some(({ ok, name }) => ok === false && name.startsWith('auto'))) {
        gemm ??= 'mma'
        keep(resultOf(section, { name: `from here on gemm = ${gemm}` }))
      }
      const seconds = (performance.now() - began) / 1000
      keep(resultOf(section, { name: 'time of the section', ours: seconds, unit: 's' }))
      const head = [
        `# GPU`,
        '',
        `\`bun scripts/bench/gpu.ts ${process.argv.slice(2).join(' ')}\`, seed ${seed}`,
      ]
      writeFileSync(join(folder, 'gpu.json'), `${JSON.stringify({ seed, results }, null, 1)}\n`)
      writeFileSync(join(folder, 'gpu.md'), formatMarkdown(results, head))
    }
    const failed = results.filter(({ ok }) => ok === false)
    console.log(
      `\n${failed.length} failed of ${results.filter(({ ok }) => ok !== null).length} checks; ${folder}/gpu.json`,
    )
    for (const { section, name, note } of failed.slice(0, 60))
      console.log(`FAIL ${section}: ${name}: ${note.split('\n')[0]}`)
    if (failed.length > 0) process.exitCode = 1
  },
})

/** Runs a section in a child process and hands on its lines; what it does not live to say is a failure. */
async function runSection(
  options: Readonly<Record<string, unknown>> & { readonly section: string; readonly python: string | null },
  limit: number,
  keep: (result: GpuResult) => void,
): Promise<void> {
  const script = fileURLToPath(new URL('gpu_section.ts', import.meta.url))
  const child = Bun.spawn([process.execPath, script, JSON.stringify(options)], {
    env: { ...process.env, ...environmentOf(options.python) },
    stdout: 'pipe',
    stderr: 'pipe',
    timeout: limit * 1000,
    killSignal: 'SIGKILL',
  })
  const complaints = new Response(child.stderr).text()
  const decoder = new TextDecoder()
  let rest = ''
  for await (const chunk of child.stdout) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) if (line.startsWith('{')) keep(JSON.parse(line))
  }
  const exitCode = await child.exited
  if (exitCode === 0) return
  const why = (await complaints).trim().split('\n').slice(-8).join('\n')
  const how =
    child.signalCode === null
      ? `exit code ${exitCode}`
      : `ended by ${child.signalCode} (limit ${limit.toFixed(0)} s)`
  keep(resultOf(options.section, { name: 'the section', ok: false, note: `${how}: ${why}` }))
}

/** As if the environment of torch's Python were active: cuBLASLt is looked for there, and both sides use the same one. */
function environmentOf(python: string | null): Readonly<Record<string, string>> {
  if (python === null || process.env.VIRTUAL_ENV !== undefined) return {}
  const { stdout } = spawnSync(python, ['-c', 'import sys; print(sys.prefix)'], { encoding: 'utf8' })
  const prefix = stdout?.trim() ?? ''
  return prefix === '' ? {} : { VIRTUAL_ENV: prefix }
}
