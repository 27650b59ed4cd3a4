/**
 * Results of a GPU on their way into the docs: what gets there, what never does, and that it is the same twice.
 */
import { describe, expect, test } from 'bun:test'
import { appendFileSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  type Computer,
  createJournal,
  type Entry,
  type Head,
  journalOf,
  readJournal,
} from '../../scripts/bench/gpu/journal.ts'
import { BEGIN, END, gpuOf, insertReport, reportOf, withoutFolders } from '../../scripts/bench/gpu/report.ts'
import { type PartialResult, resultOf } from '../../scripts/bench/gpu/result.ts'
import { temporaryFolder } from '../_golden.ts'

const ROOT = join(import.meta.dir, '../..')
const HEAD: Head = {
  kind: 'head',
  command: 'bun scripts/bench/gpu.ts --quick',
  date: '2026-01-31',
  seed: 7,
  emulated: false,
}
const GPU: Computer = {
  kind: 'device',
  section: 'ops',
  library: 'cuda',
  name: 'NVIDIA Example',
  driver: 13010,
  runtime: 13000,
  sources: '0123456789abcdef',
}
const found = (section: string, result: PartialResult): Entry => ({
  kind: 'result',
  ...resultOf(section, result),
})
const ended = (section: string): Entry => ({ kind: 'end', section, seconds: 1 })
const OPS = [found('ops', { name: 'add', ok: true, ours: 2, unit: 'µs' }), ended('ops')]
const DOCS = `# Benchmarks\n\nBefore.\n\n${BEGIN}\n\nNothing yet.\n\n${END}\n\nAfter.\n`
const run = (...entries: readonly Entry[]): { journal: ReturnType<typeof journalOf>; place: string } => ({
  journal: journalOf(entries, 'x/gpu.jsonl'),
  place: 'x/gpu.jsonl',
})

describe('what the docs get', () => {
  test('device, driver, date, command and a table for each section, in the order of the benchmark', () => {
    const report = reportOf([
      run(
        HEAD,
        GPU,
        found('gemm', { name: '8192³', ours: 700, theirs: 800, unit: 'TFLOP/s', ratio: 0.875 }),
        ...OPS,
      ),
    ])
    expect(report).toBe(
      [
        'NVIDIA Example, driver for CUDA 13.1, library of CUDA 13.0 (sources 0123456789ab); 2026-01-31; seed 7:',
        '',
        '`bun scripts/bench/gpu.ts --quick`',
        '',
        '#### ops',
        '',
        '1 of 1 checks passed',
        '',
        '| | ours | torch | | ratio | share | |',
        '|---|---|---|---|---|---|---|',
        '| add | 2.00 |  | µs |  |  |  |',
        '',
        '#### gemm',
        '',
        'It did not come to its end; this is what it had found.',
        '',
        '| | ours | torch | | ratio | share | |',
        '|---|---|---|---|---|---|---|',
        '| 8192³ | 700 | 800 | TFLOP/s | 0.88 |  |  |',
      ].join('\n'),
    )
  })

  test('failures too, and what was not run without a mark', () => {
    const report = reportOf([
      run(
        HEAD,
        GPU,
        found('ops', { name: 'mul', ok: false, note: 'off' }),
        found('sanitizer', { name: 'memcheck', note: 'not run: not there' }),
      ),
    ])
    expect(report).toContain('0 of 1 checks passed')
    expect(report).toContain('| **FAIL** mul |')
    expect(report).toContain('| memcheck |  |  |  |  |  | not run: not there |')
  })

  test('of several runs the last one of each section', () => {
    const again = run(
      { ...HEAD, date: '2026-02-01' },
      GPU,
      found('ops', { name: 'later', ours: 1 }),
      ended('ops'),
    )
    const report = reportOf([run(HEAD, GPU, ...OPS, found('vsa', { name: 'bind', ours: 3 })), again])
    expect(report).toContain('2026-01-31')
    expect(report).toContain('2026-02-01')
    expect(report).toContain('| later |')
    expect(report).not.toContain('| add |')
    expect(report).toContain('| bind |')
  })

  test('between the markers, and the same twice', () => {
    const once = insertReport(DOCS, 'Numbers.', 'docs')
    expect(once).toBe(DOCS.replace('Nothing yet.', 'Numbers.'))
    expect(insertReport(once, 'Numbers.', 'docs')).toBe(once)
    for (const text of ['no markers', `${BEGIN} only`, `${END} ${BEGIN}`, `${DOCS}${DOCS}`])
      expect(() => insertReport(text, 'Numbers.', 'docs')).toThrow('docs: expected one')
  })

  test('the docs have the markers', () => {
    const docs = readFileSync(join(ROOT, 'docs/benchmarks.md'), 'utf8')
    expect(insertReport(docs, 'Numbers.', 'docs')).toContain(`${BEGIN}\n\nNumbers.\n\n${END}`)
  })

  test('no folder of the machine', () => {
    expect(withoutFolders('{"path":"/opt/a/b/libcublasLt.so.13"} 3/4 GB/s https://example.com/a/b')).toBe(
      '{"path":"…/libcublasLt.so.13"} 3/4 GB/s https://example.com/a/b',
    )
    const report = reportOf([run(HEAD, GPU, found('ops', { name: 'n', note: 'in /srv/x/y.ts' }))])
    expect(report).toContain('in …/y.ts')
  })
})

describe('what is refused', () => {
  const refused = (message: string, ...entries: readonly Entry[]): void =>
    expect(() => reportOf([run(...entries)])).toThrow(message)

  test('whatever the emulator computed, also when the run was not called so', () => {
    refused('this run was emulated', { ...HEAD, emulated: true }, GPU, ...OPS)
    refused('this run was emulated', HEAD, GPU, { ...GPU, library: 'cuda-emulated' }, ...OPS)
    refused('this run was emulated', HEAD, { ...GPU, library: 'cpu' }, ...OPS)
  })

  test('a run that did not open a GPU, or several', () => {
    refused('no section of this run has opened a GPU', HEAD, ...OPS)
    refused('different devices or libraries', HEAD, GPU, { ...GPU, name: 'Another' }, ...OPS)
    refused('different devices or libraries', HEAD, GPU, { ...GPU, sources: 'f' }, ...OPS)
    expect(gpuOf(run(HEAD, GPU).journal, 'x').name).toBe('NVIDIA Example')
  })
})

describe('the journal', () => {
  test('is read up to where it was cut off', () => {
    using folder = temporaryFolder()
    const path = join(folder.path, 'gpu.jsonl')
    const write = createJournal(path, HEAD)
    for (const entry of [GPU, ...OPS]) write(entry)
    appendFileSync(path, '{"kind":"result","section":"lo')
    const { head, devices, results, ended } = readJournal(path)
    expect([head, devices, results.length, [...ended]]).toEqual([HEAD, [GPU], 1, ['ops']])
  })

  test('is refused when it is something else', () => {
    using folder = temporaryFolder()
    const path = join(folder.path, 'gpu.jsonl')
    expect(() => readJournal(path)).toThrow('cannot be read')
    for (const text of ['', `${JSON.stringify(GPU)}\n`]) {
      writeFileSync(path, text)
      expect(() => readJournal(path)).toThrow('which run this is')
    }
    for (const line of ['{"kind":"other"}', 'null', 'text']) {
      writeFileSync(path, `${JSON.stringify(HEAD)}\n${line}\n`)
      expect(() => readJournal(path)).toThrow('gpu.jsonl:2: this line is not of a GPU benchmark')
    }
  })
})

test('the command writes the docs once', () => {
  using folder = temporaryFolder()
  const docs = join(folder.path, 'docs.md')
  writeFileSync(docs, DOCS)
  const report = (): { code: number; text: string } => {
    const { exitCode, stdout, stderr } = Bun.spawnSync(
      [process.execPath, join(ROOT, 'scripts/bench/gpu-report.ts'), folder.path, '--docs', docs],
      { cwd: ROOT },
    )
    return { code: exitCode, text: `${stdout}${stderr}` }
  }
  createJournal(join(folder.path, 'gpu.jsonl'), { ...HEAD, emulated: true })(GPU)
  expect(report()).toEqual({ code: 1, text: expect.stringContaining('this run was emulated') })
  expect(readFileSync(docs, 'utf8')).toBe(DOCS)
  const write = createJournal(join(folder.path, 'gpu.jsonl'), HEAD)
  for (const entry of [GPU, ...OPS]) write(entry)
  expect(report().text).toContain('written')
  const text = readFileSync(docs, 'utf8')
  expect(text).toContain('| add | 2.00 |')
  expect(report().text).toContain('nothing to change')
  expect(readFileSync(docs, 'utf8')).toBe(text)
})
