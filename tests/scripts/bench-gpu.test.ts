/**
 * The GPU benchmark as far as it goes without a GPU: sections run on the emulated one, and failures do not end it.
 */
import { describe, expect, test } from 'bun:test'
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { JOURNAL, readJournal } from '../../scripts/bench/gpu/journal.ts'
import { formatLine, formatMarkdown, type GpuResult, resultOf } from '../../scripts/bench/gpu/result.ts'
import { findSanitizer, judge, readVerdict } from '../../scripts/bench/gpu/sanitizer.ts'
import { SECTION_NAMES, SECTIONS } from '../../scripts/bench/gpu/sections.ts'
import { temporaryFolder } from '../_golden.ts'
import { HAS_EMULATOR } from '../cuda/_emulated.ts'

const ROOT = join(import.meta.dir, '../..')

function bench(
  options: readonly string[],
  env: Readonly<Record<string, string | undefined>> = {},
): { exitCode: number; text: string; results: readonly GpuResult[]; table: string } {
  using folder = temporaryFolder()
  const child = Bun.spawnSync(
    ['bun', join(ROOT, 'scripts/bench/gpu.ts'), '--emulated', '--quick', '--out', folder.path, ...options],
    { env: { ...process.env, TRITUNE_PYTHON: undefined, ...env }, cwd: ROOT },
  )
  const file = join(folder.path, JOURNAL)
  return {
    exitCode: child.exitCode,
    text: child.stdout.toString() + child.stderr.toString(),
    results: existsSync(file) ? readJournal(file).results : [],
    table: existsSync(file) ? readFileSync(join(folder.path, 'gpu.md'), 'utf8') : '',
  }
}

describe.if(HAS_EMULATOR)('bench/gpu', () => {
  test('a section runs on the emulated GPU and leaves a table', () => {
    const { exitCode, results, table, text } = bench(['--only', 'vsa', '--seed', '5'])
    expect(text).toContain('== vsa')
    expect([exitCode, text]).toEqual([0, expect.stringContaining('0 failed of 0 checks')])
    expect(results.map(({ name }) => name)).toContain('VSA bind, 16 × 320')
    expect(table).toContain('## vsa')
    expect(table).toContain('seed 5')
  })

  test('a section that cannot start is one failed check, and the next one runs', () => {
    const { exitCode, results } = bench(['--only', 'lora,vsa'], {
      TRITUNE_CUDA_EMULATED_LIBRARY: '/nonexistent.so',
    })
    expect(exitCode).toBe(1)
    const failed = results.filter(({ ok }) => ok === false)
    expect(failed).toHaveLength(2)
    expect(failed[0].note).toContain('/nonexistent.so')
  })

  test('the first contact is five processes, and each finds what it should', () => {
    const { exitCode, results } = bench(['--only', 'first-contact'])
    expect([exitCode, results.filter(({ ok }) => ok === false)]).toEqual([0, []])
    const names = results.filter(({ ok }) => ok === true).map(({ name }) => name)
    for (const name of [
      'cublaslt, 48×72×40, bf16',
      'auto, 48×72×40, f32',
      'wgmma once, 136×136×72',
      'a bad row index is an error',
      'a new process after a bad index gathers',
      'peak of our memory',
    ])
      expect(names).toContain(name)
    const { note } = results.find(({ name }) => name === 'a bad row index is an error') ?? { note: '' }
    expect(note).toContain('a row index of gather_rows is out of range: 3, allowed 0..2')
  }, 60_000)

  test('the sanitizer that is not there was not run, and is never ok', () => {
    const { exitCode, results } = bench(['--only', 'sanitizer'], { PATH: '', CUDA_HOME: undefined })
    // A machine with a toolkit may have one; then it is found.
    if (findSanitizer({ PATH: '' }) !== null) return
    expect(exitCode).toBe(0)
    const tools = results.filter(({ name }) => name.endsWith('check'))
    expect(tools.map(({ ok, note }) => [ok, note.slice(0, 8)])).toEqual(
      Array.from({ length: 3 }, () => [null, 'not run:']),
    )
  })

  test('the sanitizer is believed when it sees the planted error', () => {
    using folder = temporaryFolder()
    const tools = (control: string, table: string): GpuResult[] => {
      fakeSanitizer(folder.path, control, table)
      const { results } = bench(['--only', 'sanitizer'], { PATH: `${folder.path}:${process.env.PATH}` })
      return results.filter(({ name }) => name.endsWith('op table'))
    }
    const clean = 'ERROR SUMMARY: 0 errors'
    const verdicts = (results: readonly GpuResult[]): unknown[] => results.map(({ ok }) => ok)
    const good = tools('ERROR SUMMARY: 3 errors', clean)
    expect(verdicts(good)).toEqual([true, true, true])
    expect(good[0].note).toMatch(/^[1-9]\d* of [1-9]\d* cases, no errors/)
    const bad = tools(
      'ERROR SUMMARY: 3 errors',
      'Invalid __global__ read of size 4 bytes\nERROR SUMMARY: 1 error',
    )
    expect(verdicts(bad)).toEqual([false, false, false])
    expect(bad[0].note).toContain('Invalid __global__ read')
  }, 120_000)

  test('a run that is killed leaves what it had found', async () => {
    using folder = temporaryFolder()
    const child = Bun.spawn(
      [process.execPath, join(ROOT, 'scripts/bench/gpu.ts'), '--emulated', '--quick', '--out', folder.path],
      { env: { ...process.env, TRITUNE_PYTHON: undefined }, cwd: ROOT, stdout: 'pipe', stderr: 'ignore' },
    )
    const decoder = new TextDecoder()
    let text = ''
    for await (const chunk of child.stdout) {
      text += decoder.decode(chunk, { stream: true })
      if (text.includes('own, 48×72×40')) break
    }
    child.kill('SIGKILL')
    await child.exited
    const { head, devices, results, ended } = readJournal(join(folder.path, JOURNAL))
    expect([head.emulated, devices[0].library, [...ended]]).toEqual([true, 'cuda-emulated', ['environment']])
    expect(results.map(({ name }) => name)).toContain('own, 48×72×40, bf16')
    expect(readFileSync(join(folder.path, 'gpu.md'), 'utf8')).toContain('emulated: no number of a GPU')
    expect(readdirSync(folder.path).toSorted()).toEqual(['gpu.jsonl', 'gpu.md'])
  }, 60_000)

  test('a section that there is not is refused by name', () => {
    const { exitCode, text } = bench(['--only', 'gem'])
    expect([exitCode, text]).toEqual([2, expect.stringContaining('did you mean "gemm"?')])
  })
})

/** Writes what it is told to the log, and runs the program it is given; a wild write ends the emulator. */
function fakeSanitizer(folder: string, control: string, table: string): void {
  const script = `#!/bin/bash
[ "$1" = --version ] && { echo "Version fake"; exit; }
while [ "$1" != --print-limit ]; do [ "$1" = --log-file ] && log=$2; shift; done
shift 2
case "$*" in
  *wild-write*) printf '========= %b\\n' ${JSON.stringify(control)} > "$log" ;;
  *) "$@"; printf '========= %b\\n' ${JSON.stringify(table)} > "$log" ;;
esac
`
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'compute-sanitizer'), script)
  chmodSync(join(folder, 'compute-sanitizer'), 0o755)
}

test('the first sections are those that say most', () => {
  expect(SECTION_NAMES.slice(0, 6)).toEqual([
    'environment',
    'first-contact',
    'ops',
    'losses',
    'end-to-end',
    'sanitizer',
  ])
  expect(new Set(SECTION_NAMES).size).toBe(SECTION_NAMES.length)
  // A hang in a step of the first contact must not cost the sections after it.
  const limits = SECTIONS[1].steps.map(({ limit }) => limit)
  expect(Math.max(...limits)).toBeLessThanOrEqual(40)
  const help = readFileSync(join(ROOT, 'scripts/bench/gpu.ts'), 'utf8').replaceAll(/\s+/g, ' ')
  expect(help).toContain(SECTION_NAMES.join(', '))
})

test('what the sanitizer says is read, and judged by what it watched', () => {
  expect(readVerdict('========= ERROR SUMMARY: 12 errors')).toEqual({ errors: 12, warnings: 0 })
  expect(readVerdict('========= ERROR SUMMARY: 1 error')).toEqual({ errors: 1, warnings: 0 })
  expect(readVerdict('===== RACECHECK SUMMARY: 3 hazards displayed (1 error, 2 warnings)')).toEqual({
    errors: 1,
    warnings: 2,
  })
  expect(readVerdict('========= Error: Device not supported')).toBeNull()
  const cases = (count: number, ok = true): GpuResult =>
    resultOf('sanitizer', { name: 'cases', ok, ours: count, theirs: 9, note: ok ? '' : 'x' })
  const clean = { errors: 0, warnings: 0 }
  const said = (verdict: typeof clean | null, found: GpuResult | null, sees = true): unknown =>
    judge('memcheck', { verdict, cases: found, words: 'w' }, sees).ok ?? null
  expect(said(clean, cases(9))).toBe(true)
  expect(said(clean, cases(9), false)).toBeNull()
  expect(said(clean, cases(0))).toBeNull()
  expect(said(clean, null)).toBeNull()
  expect(said(null, cases(9))).toBeNull()
  expect(said(clean, cases(8, false))).toBe(false)
  expect(said({ errors: 1, warnings: 0 }, null)).toBe(false)
})

test('results become lines and tables', () => {
  const one = resultOf('x', {
    name: 'n',
    ok: false,
    ours: 2,
    theirs: 4,
    unit: 'ms',
    ratio: 2,
    share: 0.5,
    note: 'a|b',
  })
  expect(formatLine(one)).toBe('FAIL  n  2.00 ms  torch 4.00  ×2.00  50 %  a|b')
  expect(formatMarkdown([one], ['# t'])).toContain('| **FAIL** n | 2.00 | 4.00 | ms | 2.00 | 50 % | a\\|b |')
})
