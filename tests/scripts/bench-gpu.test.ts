/**
 * The GPU benchmark as far as it goes without a GPU: sections run on the emulated one, and failures do not end it.
 */
import { describe, expect, test } from 'bun:test'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { formatLine, formatMarkdown, type GpuResult, resultOf } from '../../scripts/bench/gpu/result.ts'
import { temporaryFolder } from '../_golden.ts'
import { HAS_EMULATOR } from '../cuda/_emulated.ts'

const ROOT = join(import.meta.dir, '../..')

function bench(
  options: readonly string[],
  env: Readonly<Record<string, string>> = {},
): { exitCode: number; text: string; results: GpuResult[]; table: string } {
  using folder = temporaryFolder()
  const child = Bun.spawnSync(
    ['bun', join(ROOT, 'scripts/bench/gpu.ts'), '--emulated', '--quick', '--out', folder.path, ...options],
    { env: { ...process.env, TRITUNE_PYTHON: undefined, ...env }, cwd: ROOT },
  )
  const file = join(folder.path, 'gpu.json')
  return {
    exitCode: child.exitCode,
    text: child.stdout.toString() + child.stderr.toString(),
    results: existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')).results : [],
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
    const { exitCode, results } = bench(['--only', 'vsa,vsa'], {
      TRITUNE_CUDA_EMULATED_LIBRARY: '/nonexistent.so',
    })
    expect(exitCode).toBe(1)
    const failed = results.filter(({ ok }) => ok === false)
    expect(failed).toHaveLength(2)
    expect(failed[0].note).toContain('/nonexistent.so')
  })

  test('a section that there is not is refused by name', () => {
    const { exitCode, text } = bench(['--only', 'gem'])
    expect([exitCode, text]).toEqual([2, expect.stringContaining('did you mean "gemm"?')])
  })
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
