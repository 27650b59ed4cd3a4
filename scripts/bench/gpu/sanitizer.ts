/**
 * The op table under NVIDIA's compute-sanitizer: reads and writes out of range (memcheck), races in shared memory
 * (racecheck), reads of memory that nobody wrote (initcheck). What was not watched is "not run" and never ok: so a write to a
 * place that is not ours comes first, and if the tool does not see that one, its silence about the others means nothing.
 *
 * https://docs.nvidia.com/compute-sanitizer/
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, realpathSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Entry } from './journal.ts'
import { OPS_ONLY } from './ops.ts'
import { type GpuResult, type PartialResult, resultOf } from './result.ts'
import type { GpuOptions, Rig } from './rig.ts'

const TOOLS = [
  { tool: 'memcheck', seconds: 60 },
  { tool: 'racecheck', seconds: 60 },
  { tool: 'initcheck', seconds: 30 },
] as const

/** Starting under the tool, the last case, and its report at the end. */
const GRACE = 15

export async function sanitizer(options: GpuOptions, say: (result: GpuResult) => void): Promise<void> {
  const report = (result: PartialResult): void => say(resultOf(options.section, result))
  const program = findSanitizer()
  if (program === null) {
    const note = 'not run: compute-sanitizer is not on the PATH, nor beside nvcc or in a CUDA toolkit'
    for (const { tool } of TOOLS) report({ name: tool, note })
    return
  }
  const { stdout } = spawnSync(program, ['--version'], { encoding: 'utf8' })
  report({ name: 'compute-sanitizer', note: stdout?.trim().split('\n').at(-1) ?? '' })
  const until = performance.now() + (options.seconds ?? Infinity) * 1000
  const left = (): number => (until - performance.now()) / 1000 - GRACE
  const control = await watch(program, 'memcheck', 'wild-write', options, Math.min(GRACE, left()))
  const sees = control.verdict !== null && control.verdict.errors > 0
  const words = control.words
  report({ name: 'memcheck sees a planted bad write', ok: sees, note: sees ? words : `not seen: ${words}` })
  for (const { tool, seconds } of TOOLS) {
    const time = Math.min(options.quick ? seconds / 2 : seconds, left())
    if (time < GRACE) report({ name: `${tool} on the op table`, note: 'not run: no time left' })
    else report(judge(tool, await watch(program, tool, 'ops-only', options, time), sees))
  }
}

/** A write to where nothing of ours is. The process does not survive it. */
export function wildWrite({ call }: Rig): void {
  call.tt_fill(256, 1024, 1, 0, 0)
  call.tt_synchronize(0)
}

/** What a run under the tool showed. */
export interface Watched {
  /** Of the tool's last line; null: it said none, so it did not watch to the end. */
  readonly verdict: ToolVerdict | null
  /** Of the program: how many cases ran on the GPU, of how many, and what went wrong. */
  readonly cases: GpuResult | null
  /** The first lines of the tool about something wrong. */
  readonly words: string
}

export interface ToolVerdict {
  readonly errors: number
  readonly warnings: number
}

/** Passed is only what was watched: cases ran, the tool summed up, and it is known to see. */
export function judge(tool: string, { verdict, cases, words }: Watched, sees: boolean): PartialResult {
  const name = `${tool} on the op table`
  if (verdict === null) return { name, note: `not run: ${words || 'the tool said nothing'}` }
  const { errors, warnings } = verdict
  const ran = cases?.ours ?? 0
  const coverage = `${ran} of ${cases?.theirs ?? '?'} cases`
  if (errors > 0) return { name, ok: false, note: `${errors} errors in ${coverage}: ${words}` }
  if (cases === null || ran === 0) return { name, note: 'not run: no case came to its end' }
  if (cases.ok === false) return { name, ok: false, note: `${coverage}: ${cases.note}` }
  if (!sees) return { name, note: `not run: the tool did not see a planted error (${coverage} ran)` }
  return { name, ok: true, note: `${coverage}, no errors, ${warnings} warnings` }
}

/** The last line of the tool's report. */
export function readVerdict(text: string): ToolVerdict | null {
  const races = text.match(/RACECHECK SUMMARY: \d+ hazards? displayed \((\d+) errors?, (\d+) warnings?\)/)
  if (races) return { errors: Number(races[1]), warnings: Number(races[2]) }
  const errors = text.match(/ERROR SUMMARY: (\d+) errors?/)
  return errors ? { errors: Number(errors[1]), warnings: 0 } : null
}

/** compute-sanitizer on the PATH, beside nvcc, or in a toolkit; null: there is none. */
export function findSanitizer(
  env: Readonly<Record<string, string | undefined>> = process.env,
): string | null {
  const PATH = env.PATH ?? ''
  const onPath = Bun.which('compute-sanitizer', { PATH })
  if (onPath) return onPath
  const nvcc = Bun.which('nvcc', { PATH })
  const folders = [
    ...(nvcc ? [dirname(realpathSync(nvcc))] : []),
    ...(env.CUDA_HOME ? [join(env.CUDA_HOME, 'bin')] : []),
    ...toolkits().map((toolkit) => join(toolkit, 'bin')),
  ]
  const files = folders.flatMap((folder) => [
    join(folder, 'compute-sanitizer'),
    join(folder, '../compute-sanitizer/compute-sanitizer'),
  ])
  return files.find((file) => existsSync(file)) ?? null
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function toolkits(): string[] {
  const parent = '/usr/local'
  if (!existsSync(parent)) return []
  return readdirSync(parent)
    .filter((name) => name.startsWith('cuda'))
    .map((name) => join(parent, name))
}

async function watch(
  program: string,
  tool: string,
  step: string,
  options: GpuOptions,
  seconds: number,
): Promise<Watched> {
  const log = join(options.out, `${tool}${step === 'ops-only' ? '' : `-${step}`}.log`)
  const section = fileURLToPath(new URL('../gpu_section.ts', import.meta.url))
  // cuBLASLt is not ours to check, and slow under the tool.
  const inner: GpuOptions = { ...options, step, seconds, gemm: options.gemm ?? 'own', python: null }
  const child = spawn(
    program,
    [
      '--tool',
      tool,
      '--log-file',
      log,
      '--print-limit',
      '50',
      process.execPath,
      section,
      JSON.stringify(inner),
    ],
    { stdio: ['ignore', 'pipe', 'pipe'], detached: true },
  )
  const { out, err } = await finish(child, seconds + GRACE)
  const text = existsSync(log) ? readFileSync(log, 'utf8') : ''
  const said = `${text}\n${err}`.split('\n').filter((line) => line.trim() !== '')
  const wrong = said.filter((line) => /error|invalid|hazard|uninitialized|not supported/i.test(line))
  return {
    verdict: readVerdict(text),
    cases: casesIn(out),
    words: wrong
      .slice(0, 3)
      .map((line) => line.replace(/^=+\s*/, '').trim())
      .join('; '),
  }
}

/** Everything it prints; after `limit` seconds it is ended with all that it started. */
function finish(child: ChildProcess, limit: number): Promise<{ out: string; err: string }> {
  const text = { out: '', err: '' }
  child.stdout?.on('data', (data: Buffer) => (text.out += data.toString()))
  child.stderr?.on('data', (data: Buffer) => (text.err += data.toString()))
  const end = (): void => {
    if (child.pid === undefined) return
    try {
      process.kill(-child.pid, 'SIGKILL')
    } catch {
      // It has just ended by itself.
    }
  }
  const timer = setTimeout(end, limit * 1000)
  return new Promise((done) => {
    const close = (): void => {
      clearTimeout(timer)
      done(text)
    }
    child.on('error', (error) => {
      text.err += error.message
      close()
    })
    child.on('close', close)
  })
}

function casesIn(out: string): GpuResult | null {
  const entries = out
    .split('\n')
    .filter((line) => line.startsWith('{') && line.endsWith('}'))
    .map((line): Entry => JSON.parse(line))
  return entries.filter((entry) => entry.kind === 'result').find(({ name }) => name === OPS_ONLY) ?? null
}
