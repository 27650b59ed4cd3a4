/**
 * Locks: one holder at a time, none after a death of any kind, and the holder is named.
 */
import { describe, expect, test } from 'bun:test'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { heartbeatLock } from '../../core/files/_heartbeat-lock.ts'
import { describeHolder, tryLock, withLock } from '../../core/files/lock.ts'
import { temporaryFolder } from '../_golden.ts'

const HOLDER = fileURLToPath(new URL('_hold-lock.ts', import.meta.url))

function hold(...args: string[]): Bun.Subprocess<'ignore', 'pipe', 'inherit'> {
  return Bun.spawn([process.execPath, HOLDER, ...args], { stdin: 'ignore', stdout: 'pipe' })
}

describe('tryLock()', () => {
  test('refuses a second holder and names the first, also within one process', async () => {
    using folder = temporaryFolder()
    const path = join(folder.path, 'deep/x.lock')
    const { lock } = await tryLock(path)
    const { lock: second, holder } = await tryLock(path)
    expect(second).toBeUndefined()
    expect(holder).toMatchObject({ pid: process.pid, host: hostname() })
    expect(Math.abs(Date.now() - (holder?.since?.getTime() ?? 0))).toBeLessThan(20_000)
    lock?.[Symbol.dispose]()
    lock?.[Symbol.dispose]()
    expect(readFileSync(path, 'utf8')).toBe('')
    using third = (await tryLock(path)).lock
    expect(third).toBeDefined()
  })

  test('is free as soon as its holder was killed', async () => {
    using folder = temporaryFolder()
    const path = join(folder.path, 'x.lock')
    const child = hold(path)
    await child.stdout.getReader().read()
    expect((await tryLock(path)).holder?.pid).toBe(child.pid)
    child.kill('SIGKILL')
    await child.exited
    expect(readFileSync(path, 'utf8')).toContain(`"pid":${child.pid}`)
    const { lock } = await tryLock(path, { remove: true })
    expect(lock).toBeDefined()
    lock?.[Symbol.dispose]()
    expect(existsSync(path)).toBe(false)
  })

  test('what stands in the file decides nothing', async () => {
    using folder = temporaryFolder()
    const path = join(folder.path, 'x.lock')
    const living = { pid: process.pid, host: hostname(), since: new Date().toISOString() }
    for (const content of ['', '\0\0', 'vm 1', JSON.stringify(living), '{"pid":"x","since":"never"}']) {
      writeFileSync(path, content)
      using lock = (await tryLock(path)).lock
      expect(lock).toBeDefined()
    }
  })

  test('holds for one of many processes at a time, while the file comes and goes', async () => {
    using folder = temporaryFolder()
    const counter = join(folder.path, 'counter')
    writeFileSync(counter, '0')
    const children = Array.from({ length: 4 }, () => hold(join(folder.path, 'x.lock'), counter, '12'))
    for (const child of children) expect(await child.exited).toBe(0)
    expect(readFileSync(counter, 'utf8')).toBe('48')
  }, 60_000)
})

test('withLock() tells whom it waits for, and goes on when that one is dead', async () => {
  using folder = temporaryFolder()
  const path = join(folder.path, 'x.lock')
  const child = hold(path)
  await child.stdout.getReader().read()
  const told: string[] = []
  const result = await withLock(path, async () => 5, {
    onWait(holder) {
      told.push(describeHolder(holder))
      child.kill('SIGKILL')
    },
  })
  expect(result).toBe(5)
  expect(told).toEqual([
    expect.stringMatching(
      new RegExp(`^process ${child.pid} on \\S+, since \\d{4}-\\d\\d-\\d\\d \\d\\d:\\d\\d:\\d\\d UTC$`),
    ),
  ])
}, 20_000)

test('describeHolder() says what is known', () => {
  expect(describeHolder({ pid: null, host: null, since: null })).toBe('another program')
  expect(describeHolder({ pid: 7, host: 'a', since: null })).toBe('process 7 on a')
})

describe('heartbeatLock()', () => {
  const options = { beatMs: 50, deadMs: 600 }

  test('refuses while its holder lives, also when that one computes', async () => {
    using folder = temporaryFolder()
    const path = join(folder.path, 'x.alive')
    const lock = await heartbeatLock(path, 'first', options)
    expect(lock).not.toBeNull()
    expect(await heartbeatLock(path, 'second', { ...options, deadMs: 10_000 })).toBeNull()
    lock?.[Symbol.dispose]()
    expect(existsSync(path)).toBe(false)
  })

  test('takes over what stands still', async () => {
    using folder = temporaryFolder()
    const path = join(folder.path, 'x.alive')
    writeFileSync(path, 'dead')
    const began = performance.now()
    using lock = await heartbeatLock(path, 'second', options)
    expect(lock).not.toBeNull()
    expect(performance.now() - began).toBeGreaterThan(500)
    expect(readFileSync(path, 'utf8')).toBe('second')
  })
})
