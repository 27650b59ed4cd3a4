/**
 * The suites without a test runner in Bun and in Deno, and what `benchOp` registers.
 */
import { describe, expect, test } from 'bun:test'
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { openOp } from '../../bench/bench-op.ts'
import { mul } from '../../core/mod.ts'
import { cpu } from '../../plugins/cpu/mod.ts'
import { denoCommand } from '../../scripts/_deno.ts'

const RUNNER = fileURLToPath(new URL('_runner.ts', import.meta.url))

describe.each([
  ['Bun', [process.execPath]],
  ['Deno', [...denoCommand(), 'run', '--no-lock', '-A']],
])('%s', (_name, [command, ...args]) => {
  test('runs the suites', () => {
    const { status, stdout, stderr } = spawnSync(command, [...args, RUNNER], { encoding: 'utf8' })
    if (status !== 0) throw new Error(`${stdout}${stderr}`)
    expect(stdout).toMatch(/\n\d\d kept, 0 broken, \d+ skipped\n$/)
  }, 60_000)
})

test('what moves memory goes round cold tensors and results, and leaves nothing', () => {
  const device = cpu.provides.device.cpu.open({ threads: 2 })
  const before = device.memory().live
  const addresses = new Set<number>()
  {
    using opened = openOp('scale', {
      device,
      bytes: 100e6, // said, not moved: few copies are quickly made
      open({ random }) {
        const x = random([1000])
        return () => {
          const y = mul(x, 2)
          addresses.add(y.address)
        }
      },
    })
    opened.ours()
    opened.copy?.()
    expect(addresses.size).toBeGreaterThan(3)
  }
  expect(device.memory().live).toBe(before)
})
