/**
 * `bun run emulator`: runs tests/cuda in every way that the emulator knows. Needs g++ with its sanitizers.
 *
 *   schedules   the tests under {round-robin, greedy} × {forward, reverse} × {late, early copies}
 *   asan        under AddressSanitizer and UBSan, and a planted overflow that they must report
 *   tsan        under ThreadSanitizer, which sees races in shared memory, and a planted race that it must report
 *
 * Names of some of these run only those; a pattern after -t limits the tests. Exit code 1 when one of them fails.
 */
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { parseArgs } from 'node:util'
import {
  buildEmulated,
  EMULATED_OUTPUT,
  type EmulatedVariant,
  sanitizerEnvironment,
} from './native/emulated.ts'
import { ROOT, run } from './native/process.ts'

const SCHEDULES: readonly string[] = ['round-robin', 'greedy'].flatMap((turns) =>
  ['forward', 'reverse'].flatMap((order) => ['late', 'early'].map((copies) => `${turns},${order},${copies}`)),
)

interface Outcome {
  readonly code: number
  readonly text: string
}

async function runBun(
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

function say(ok: boolean, name: string, detail: string): boolean {
  console.log(`${ok ? 'ok    ' : 'FAILED'}  ${name.padEnd(28)} ${detail}`)
  return ok
}

/** "271 pass, 0 fail", and the names of what failed. */
function tally({ text }: Outcome): string {
  const count = (word: string): string => new RegExp(`^ *(\\d+) ${word}$`, 'm').exec(text)?.[1] ?? '?'
  const failed = [...text.matchAll(/^\(fail\) (.*?)( \[[\d.]+m?s\])?$/gm)].map(([, name]) => name)
  return [`${count('pass')} pass, ${count('fail')} fail`, ...new Set(failed)].join('\n          ')
}

async function schedules(tests: readonly string[]): Promise<boolean> {
  let good = true
  for (const schedule of SCHEDULES) {
    const outcome = await runBun(tests, { TRITUNE_EMULATOR_SCHEDULE: schedule })
    good = say(outcome.code === 0, schedule, tally(outcome)) && good
  }
  return good
}

const REPORT = /^(WARNING: ThreadSanitizer|==\d+==ERROR: AddressSanitizer|\S+: runtime error)/
const OWN_FRAME = /native\/(cuda|emulator)\/|libtritune_cuda_emulated/

/** Reports of a sanitizer about accesses in our library; what they find in the JavaScript runtime itself is not ours. */
function ownReports(text: string): string[] {
  const blocks = text.split(
    /(?=^WARNING: ThreadSanitizer|^==\d+==ERROR: AddressSanitizer|^\S+: runtime error)/m,
  )
  return blocks.filter(
    (block) => REPORT.test(block) && OWN_FRAME.test(block.split(/^ *Thread T|^freed by/m)[0]),
  )
}

/** The report with the source lines of frames that the sanitizer could not name. */
async function withLines(report: string, library: string): Promise<string> {
  const lines = report.split('\n').slice(0, 24)
  const offsets = lines.map((line) => /<null>.*libtritune_cuda_emulated\.so\+(0x[\da-f]+)/.exec(line)?.[1])
  const known = offsets.filter((offset) => offset !== undefined)
  if (known.length === 0) return lines.join('\n')
  const { out } = await run(['addr2line', '-s', '-e', library, ...known])
  const places = out.trim().split('\n')
  return lines.map((line, i) => (offsets[i] ? `${line} ${places.shift()}` : line)).join('\n')
}

async function sanitized(variant: 'asan' | 'tsan', tests: readonly string[]): Promise<boolean> {
  const { output } = await buildEmulated(variant)
  const folder = mkdtempSync(join(tmpdir(), 'tritune-emulator-'))
  try {
    const reports = (): string =>
      readdirSync(folder)
        .map((name) => readFileSync(join(folder, name), 'utf8'))
        .join('\n')
    const environment = {
      ...(await sanitizerEnvironment(variant, join(ROOT, output))),
      TRITUNE_EMULATOR_SANITIZED: '1',
      UBSAN_OPTIONS: 'print_stacktrace=1',
      ASAN_OPTIONS: `detect_leaks=0:log_path=${folder}/asan`,
      TSAN_OPTIONS: `exitcode=0:log_path=${folder}/tsan`,
    }
    // Its planted mistakes would be reported, as they should be.
    const outcome = await runBun(
      tests.filter((file) => !file.endsWith('/emulator.test.ts')),
      environment,
    )
    const found = ownReports(`${outcome.text}\n${reports()}`)
    const good = say(outcome.code === 0 && found.length === 0, variant, tally(outcome))
    for (const report of found.slice(0, 5)) console.log(await withLines(report, output))
    for (const name of readdirSync(folder)) rmSync(join(folder, name))

    const planted = variant === 'asan' ? 'static shared-memory overflow' : 'race on a word'
    const right = variant === 'asan' ? 'right reverse' : 'right word'
    const runPlanted = async (which: string): Promise<string[]> => {
      for (const name of readdirSync(folder)) rmSync(join(folder, name))
      const { text } = await runBun(['tests/cuda/_planted.ts', which], environment)
      return ownReports(`${text}\n${reports()}`)
    }
    const caught = say(
      (await runPlanted(planted)).length > 0,
      `${variant}: planted`,
      `"${planted}" is reported`,
    )
    const quiet = say((await runPlanted(right)).length === 0, `${variant}: not planted`, `"${right}" is not`)
    return good && caught && quiet
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { 'test-name-pattern': { type: 'string', short: 't' } },
})
const wanted = positionals.length > 0 ? positionals : ['schedules', 'asan', 'tsan']
const pattern = values['test-name-pattern'] ? ['-t', values['test-name-pattern']] : []
// What the bundled files are, and drivers, do not depend on the order of threads.
const files = readdirSync(join(ROOT, 'tests/cuda'))
  .filter((name) => name.endsWith('.test.ts') && !/^(libraries|no-gpu)\./.test(name))
  .map((name) => `tests/cuda/${name}`)
const tests = ['test', ...files, '--timeout', '120000', ...pattern]
let good = true
for (const name of wanted) {
  if (name === 'schedules') {
    const plain: EmulatedVariant = 'plain'
    await buildEmulated(plain)
    console.log(EMULATED_OUTPUT)
    good = (await schedules(tests)) && good
  } else if (name === 'asan' || name === 'tsan') good = (await sanitized(name, tests)) && good
  else throw new Error(`there are schedules, asan and tsan, got ${name}`)
}
process.exit(good ? 0 : 1)
