/**
 * Running Bun on a sanitized library, and telling our reports from those about the JavaScript engine.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ROOT, run } from './process.ts'

export interface Outcome {
  readonly code: number
  readonly text: string
}

export async function runBun(
  args: readonly string[],
  environment: Readonly<Record<string, string>>,
): Promise<Outcome> {
  const child = Bun.spawn([process.execPath, ...args], {
    cwd: ROOT,
    env: { ...process.env, ...environment },
    stdout: 'pipe',
    stderr: 'pipe',
  })
  const [out, err, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ])
  return { code, text: out + err }
}

export function say(ok: boolean, name: string, detail: string): boolean {
  console.log(`${ok ? 'ok    ' : 'FAILED'}  ${name.padEnd(28)} ${detail}`)
  return ok
}

/** "271 pass, 0 fail", and the names of what failed. */
export function tally({ text }: Outcome): string {
  const count = (word: string): string => new RegExp(`^ *(\\d+) ${word}$`, 'm').exec(text)?.[1] ?? '?'
  const failed = [...text.matchAll(/^\(fail\) (.*?)( \[[\d.]+m?s\])?$/gm)].map(([, name]) => name)
  return [`${count('pass')} pass, ${count('fail')} fail`, ...new Set(failed)].join('\n          ')
}

const REPORT = /^(WARNING: ThreadSanitizer|==\d+==ERROR: AddressSanitizer|\S+: runtime error)/
const OWN_FRAME = /native\/(cpu|cuda|emulator)\/|libtritune_(cpu|cuda_emulated)/

/** Reports of a sanitizer about accesses in our library; what they find in the JavaScript runtime itself is not ours. */
export function ownReports(text: string): string[] {
  const blocks = text.split(
    /(?=^WARNING: ThreadSanitizer|^==\d+==ERROR: AddressSanitizer|^\S+: runtime error)/m,
  )
  return blocks.filter((block) => {
    const accesses = block.split(/^ *Thread T|^freed by/m)[0]
    return REPORT.test(block) && OWN_FRAME.test(accesses) && !isOfEngine(accesses)
  })
}

/**
 * Memory that a thread of the JavaScript engine (its compilers, its collector) had before: ThreadSanitizer does not see how the
 * engine hands it on. Our threads always have a frame of ours; accesses of the main thread count, whoever made them.
 */
function isOfEngine(accesses: string): boolean {
  const stacks = accesses.split(/(?=^ +(?:Previous )?(?:atomic )?(?:read|write) of size)/im)
  return stacks.some((stack) => /^ +\S.* by thread T\d+/.test(stack) && !OWN_FRAME.test(stack))
}

/** The report with the source lines of frames that the sanitizer could not name. */
export async function withLines(report: string, library: string): Promise<string> {
  const lines = report.split('\n').slice(0, 24)
  const offsets = lines.map((line) => /<null>.*libtritune_\w+\.so\+(0x[\da-f]+)/.exec(line)?.[1])
  const known = offsets.filter((offset) => offset !== undefined)
  if (known.length === 0) return lines.join('\n')
  const { out } = await run(['addr2line', '-s', '-e', library, ...known])
  const places = out.trim().split('\n')
  return lines.map((line, i) => (offsets[i] ? `${line} ${places.shift()}` : line)).join('\n')
}

export interface ReportFolder extends Disposable {
  /** For ASAN_OPTIONS, TSAN_OPTIONS, UBSAN_OPTIONS: reports go to files, past what a test prints. */
  logPath(name: string): string
  /** What was reported since the last look. */
  take(): string
}

export function openReportFolder(): ReportFolder {
  const folder = mkdtempSync(join(tmpdir(), 'tritune-sanitizer-'))
  return {
    logPath: (name) => `log_path=${folder}/${name}`,
    take() {
      const files = readdirSync(folder).map((name) => join(folder, name))
      const text = files.map((file) => readFileSync(file, 'utf8')).join('\n')
      for (const file of files) rmSync(file)
      return text
    },
    [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }),
  }
}
