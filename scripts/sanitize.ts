/**
 * `bun scripts/sanitize.ts dist asan|ubsan|tsan`: libtritune_dist, by a program of its own. `bun scripts/sanitize.ts cpu asan|ubsan|tsan`: the op table, the tests of the library and whole runs on a sanitized build of
 * libtritune_cpu; afterwards a planted mistake that must be reported. Needs g++ with its sanitizers. CUDA: `bun run emulator`.
 *
 * Files after the sanitizer run instead of all; -t limits the tests. Exit code 1 when something fails or is reported.
 */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { buildNative } from './build-native.ts'
import { ROOT } from './native/process.ts'
import { sanitizeDist } from './native/sanitize-dist.ts'
import { openReportFolder, ownReports, runBun, say, tally, withLines } from './native/sanitized-run.ts'
import { preloadOf, type Sanitizer } from './native/sanitizers.ts'

const PLANTED: { readonly [S in Sanitizer]: string } = {
  asan: 'one float past a tensor',
  ubsan: 'a double at an odd address',
  tsan: 'two threads in one buffer',
}

/** Every test that computes natively and compares: op by op, function by function, and whole runs. */
function testFiles(): string[] {
  const native = readdirSync(join(ROOT, 'tests/native')).filter((name) => name.endsWith('.test.ts'))
  const runs = ['equalities', 'full', 'guards', 'peft-golden', 'resume', 'stopping']
  const packed = ['bitnet/bit-linear', 'bitnet/spans', 'cpu/packed-few-rows', 'ternary/batch']
  return [
    'tests/core/op-devices.test.ts',
    ...native.map((name) => `tests/native/${name}`),
    ...packed.map((name) => `tests/plugins/${name}.test.ts`),
    ...runs.map((name) => `tests/plugins/finetune/${name}.test.ts`),
  ]
}

async function main(
  sanitizer: Sanitizer,
  files: readonly string[],
  pattern: readonly string[],
): Promise<boolean> {
  const library = await buildNative({ variant: sanitizer })
  using reports = openReportFolder()
  const preload = await preloadOf(sanitizer)
  const environment = {
    ...preload,
    TRITUNE_CPU_LIBRARY: join(ROOT, library),
    ASAN_OPTIONS: `${preload.ASAN_OPTIONS}:${reports.logPath('asan')}`,
    UBSAN_OPTIONS: `${preload.UBSAN_OPTIONS}:${reports.logPath('ubsan')}`,
    TSAN_OPTIONS: `${preload.TSAN_OPTIONS}:exitcode=0:${reports.logPath('tsan')}`,
  }
  // One process a file: a report that ends it hides no other file.
  let good = true
  for (const file of files) {
    const outcome = await runBun(['test', file, '--timeout', '1200000', ...pattern], environment)
    const found = ownReports(`${outcome.text}\n${reports.take()}`)
    good = say(outcome.code === 0 && found.length === 0, file, tally(outcome)) && good
    for (const report of found.slice(0, 5)) console.log(await withLines(report, library))
  }
  const planted = await runBun(['tests/native/_planted.ts', sanitizer], environment)
  const seen = ownReports(`${planted.text}\n${reports.take()}`).length > 0
  return say(seen, `${sanitizer}: planted`, `"${PLANTED[sanitizer]}" is reported`) && good
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { 'test-name-pattern': { type: 'string', short: 't' } },
})
const [device, name, ...files] = positionals
const sanitizer = (['asan', 'ubsan', 'tsan'] as const).find((one) => one === name)
if ((device !== 'cpu' && device !== 'dist') || !sanitizer) {
  console.error(
    'usage: bun scripts/sanitize.ts cpu asan|ubsan|tsan [file…] [-t pattern], or dist asan|ubsan|tsan',
  )
  process.exit(1)
}
if (device === 'dist') process.exit((await sanitizeDist(sanitizer)) ? 0 : 1)
const pattern = values['test-name-pattern'] ? ['-t', values['test-name-pattern']] : []
process.exit((await main(sanitizer, files.length > 0 ? files : testFiles(), pattern)) ? 0 : 1)
