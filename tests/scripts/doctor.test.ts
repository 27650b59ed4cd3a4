/**
 * `bun run doctor` on this machine, as it is and with libraries that are not right.
 */
import { describe, expect, test } from 'bun:test'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { libraryCandidates } from '../../core/native/library.ts'
import { temporaryFolder } from '../_golden.ts'

const ROOT = join(import.meta.dir, '../..')

function doctor(
  options: readonly string[],
  env: Readonly<Record<string, string>> = {},
): { exitCode: number; text: string; errors: string } {
  const child = Bun.spawnSync(['bun', join(ROOT, 'scripts/doctor.ts'), ...options], {
    env: { ...process.env, ...env },
    cwd: ROOT,
  })
  return { exitCode: child.exitCode, text: child.stdout.toString(), errors: child.stderr.toString() }
}

describe('doctor', () => {
  test('tells what is here, and that the CPU is enough', () => {
    const { exitCode, text, errors } = doctor([])
    expect([exitCode, errors]).toEqual([0, ''])
    expect(text).toMatch(/^tritune +\d+\.\d+\.\d+ on Bun [\d.]+, \w+-\w+/)
    expect(text).toMatch(/^cpu +.+ cores: \w+ \(of .+\), \d+ threads$/m)
    expect(text).toMatch(/^libraries +cpu +ok, native\/prebuilt\//m)
    expect(text).toMatch(/^disk +[\d.]+ GiB free here/m)
    expect(text).toMatch(/^ready +models are fine-tuned on the (CPU|GPU)/m)
  })

  test('--json has the same, by name', () => {
    const found: Record<string, unknown> = JSON.parse(doctor(['--json'], { HF_TOKEN: 'hf_secret' }).text)
    expect(found).toMatchObject({
      works: true,
      hub: { hasToken: true },
      cpu: { threads: expect.any(Number) },
    })
    expect(JSON.stringify(found)).not.toContain('hf_secret')
  })

  test.each([
    ['cut off', (whole: Buffer) => whole.subarray(0, 4096), 'the library was cut off: it has 4096 bytes'],
    ['something else', () => Buffer.from('not a library\n'), 'this is no native library'],
    [
      // Its code is gone: whatever is called in it ends the process.
      'damaged inside',
      (whole: Buffer) => Buffer.from(whole).fill(0x0b, 0x1000, Math.floor(whole.length * 0.9)),
      'cannot be opened',
    ],
  ])('a CPU library that is %s: exit code 1, its path, and one command', (_, damage, says) => {
    using folder = temporaryFolder()
    const path = join(folder.path, 'libtritune_cpu.so')
    writeFileSync(path, damage(readFileSync(libraryCandidates('cpu')[0])))
    const { exitCode, text } = doctor([], { TRITUNE_CPU_LIBRARY: path })
    expect(exitCode).toBe(1)
    expect(text).toContain(says)
    expect(text).toContain(path)
    expect(text).toMatch(/^not ready +to mend it: unset TRITUNE_CPU_LIBRARY$/m)
  })

  test('a CUDA library that is damaged does not keep the CPU from working', () => {
    using folder = temporaryFolder()
    const path = join(folder.path, 'libtritune_cuda.so')
    writeFileSync(path, 'not a library\n')
    const { exitCode, text } = doctor([], { TRITUNE_CUDA_LIBRARY: path })
    expect(exitCode).toBe(0)
    expect(text).toMatch(/^ +cuda +DAMAGED \(.*\), /m)
    expect(text).toMatch(/^ready +models are fine-tuned on the CPU; to mend it: unset TRITUNE_CUDA_LIBRARY$/m)
  })
})
