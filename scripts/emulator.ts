/**
 * `bun run emulator`: runs tests/cuda in every way that the emulator knows. Needs g++ with its sanitizers.
 *
 *   schedules   the tests under {round-robin, greedy} × {forward, reverse} × {late, early copies}
 *   asan        under AddressSanitizer and UBSan, and a planted overflow that they must report
 *   tsan        under ThreadSanitizer, which sees races in shared memory, and a planted race that it must report
 *
 * Names of some of these run only those, files of tests/cuda only these files; a pattern after -t limits the tests. Exit code 1
 * when one of them fails.
 */
import { basename, join } from 'node:path'
import { readdirSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { buildNative } from './build-native.ts'
import {
  buildEmulated,
  EMULATED_OUTPUT,
  type EmulatedVariant,
  sanitizerEnvironment,
} from './native/emulated.ts'
import { ROOT } from './native/process.ts'
import { openReportFolder, ownReports, runBun, say, tally, withLines } from './native/sanitized-run.ts'

const SCHEDULES: readonly string[] = ['round-robin', 'greedy'].flatMap((turns) =>
  ['forward', 'reverse'].flatMap((order) => ['late', 'early'].map((copies) => `${turns},${order},${copies}`)),
)

async function schedules(files: readonly string[]): Promise<boolean> {
  let good = true
  for (const schedule of SCHEDULES) {
    const outcome = await runBun(testsOf(files), { TRITUNE_EMULATOR_SCHEDULE: schedule })
    good = say(outcome.code === 0, schedule, tally(outcome)) && good
  }
  return good
}

async function sanitized(variant: 'asan' | 'tsan', files: readonly string[]): Promise<boolean> {
  const { output } = await buildEmulated(variant)
  // Whole runs compute on the CPU, too: what is not instrumented would look like races.
  const cpu = await buildNative({ variant })
  using reports = openReportFolder()
  const environment = {
    ...(await sanitizerEnvironment(variant, join(ROOT, output))),
    TRITUNE_EMULATOR_SANITIZED: '1',
    TRITUNE_CPU_LIBRARY: join(ROOT, cpu),
    UBSAN_OPTIONS: 'print_stacktrace=1',
    ASAN_OPTIONS: `detect_leaks=0:${reports.logPath('asan')}`,
    TSAN_OPTIONS: `exitcode=0:${reports.logPath('tsan')}`,
  }
  let good = true
  // The planted mistakes of that one would be reported, as they should be.
  for (const group of groupsOf(files.filter((path) => !path.endsWith('/emulator.test.ts')))) {
    const outcome = await runBun(testsOf(group), environment)
    const found = ownReports(`${outcome.text}\n${reports.take()}`)
    const name = group.length === 1 ? `${variant}: ${basename(group[0])}` : variant
    good = say(outcome.code === 0 && found.length === 0, name, tally(outcome)) && good
    for (const report of found.slice(0, 5)) console.log(await withLines(report, output))
  }

  const planted = variant === 'asan' ? 'static shared-memory overflow' : 'race on a word'
  const right = variant === 'asan' ? 'right reverse' : 'right word'
  const runPlanted = async (which: string): Promise<string[]> => {
    const { text } = await runBun(['tests/cuda/_planted.ts', which], environment)
    return ownReports(`${text}\n${reports.take()}`)
  }
  const caught = say(
    (await runPlanted(planted)).length > 0,
    `${variant}: planted`,
    `"${planted}" is reported`,
  )
  const quiet = say((await runPlanted(right)).length === 0, `${variant}: not planted`, `"${right}" is not`)
  return good && caught && quiet
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { 'test-name-pattern': { type: 'string', short: 't' } },
})
const pattern = values['test-name-pattern'] ? ['-t', values['test-name-pattern']] : []

function testsOf(files: readonly string[]): string[] {
  return ['test', ...files, '--timeout', '1200000', ...pattern]
}

/** One process a file: a report that ends it hides no other file. With a pattern one for all: a file without a match fails. */
function groupsOf(files: readonly string[]): readonly (readonly string[])[] {
  return pattern.length > 0 ? [files] : files.map((file) => [file])
}

const VARIANTS: readonly string[] = ['schedules', 'asan', 'tsan']
const wrong = positionals.find((name) => !VARIANTS.includes(name) && !name.endsWith('.test.ts'))
if (wrong !== undefined) throw new Error(`there are ${VARIANTS.join(', ')} and files, got ${wrong}`)
const named = positionals.filter((name) => VARIANTS.includes(name))
const chosen = positionals.filter((name) => !VARIANTS.includes(name))
// What the bundled files are, and drivers, do not depend on the order of threads.
const every = readdirSync(join(ROOT, 'tests/cuda'))
  .filter((name) => name.endsWith('.test.ts') && !/^(libraries|no-gpu)\./.test(name))
  .map((name) => `tests/cuda/${name}`)
const files = chosen.length > 0 ? chosen : every
let good = true
for (const name of named.length > 0 ? named : VARIANTS) {
  if (name === 'schedules') {
    const plain: EmulatedVariant = 'plain'
    await buildEmulated(plain)
    console.log(EMULATED_OUTPUT)
    good = (await schedules(files)) && good
  } else if (name === 'asan' || name === 'tsan') good = (await sanitized(name, files)) && good
}
process.exit(good ? 0 : 1)
