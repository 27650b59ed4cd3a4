import { describe, expect, test } from 'bun:test'
import { startChild } from '../../scripts/bench/_child.ts'
import { inTurn, median, medianRatio } from '../../scripts/bench/_measure.ts'
import { randomBatch } from '../../scripts/bench/_random-step.ts'
import { timeDevice } from '../../scripts/bench/_timed-device.ts'
import { formatRows, judge, type Row } from '../../scripts/bench/_topic.ts'
import { referenceDevice, rmsNorm, tensor, tensorScope } from '../../core/mod.ts'
import { openCpu } from '../../plugins/cpu/mod.ts'

const row: Row = { name: 'x', ours: 3, peer: 2, unit: 's', ratio: 1.5, floor: 1, goal: 2, better: 'higher' }

describe('judge()', () => {
  test('`judge()` compares the ratio with floor and goal', () => {
    expect(judge(row)).toBe('ok')
    expect(judge({ ...row, ratio: 2 })).toBe('goal')
    expect(judge({ ...row, ratio: 0.99 })).toBe('MISSED')
    expect(judge({ ...row, ratio: Number.NaN })).toBe('MISSED')
  })
  test('`judge()` knows when less is better', () => {
    const memory: Row = { ...row, floor: 0.7, goal: 0.5, better: 'lower' }
    expect([0.5, 0.6, 0.71].map((ratio) => judge({ ...memory, ratio }))).toEqual(['goal', 'ok', 'MISSED'])
  })
  test('`judge()` takes our number where there is no ratio', () => {
    const seconds: Row = { ...row, ratio: null, floor: 4, goal: null, better: 'lower' }
    expect(judge(seconds)).toBe('ok')
    expect(judge({ ...seconds, ours: 5 })).toBe('MISSED')
  })
  test('`judge()` says nothing without limits', () => {
    expect(judge({ ...row, floor: null, goal: null })).toBe('')
  })
})

test('`formatRows()` lines columns up', () => {
  const [head, first, second] = formatRows([row, { ...row, name: 'longer name', ours: 12345 }]).split('\n')
  expect(first.indexOf('1.50')).toBe(second.indexOf('1.50'))
  expect(second).toContain('12345')
  expect(head.indexOf('ours') + 4).toBe(second.indexOf('12345') + 5)
})

describe('inTurn()', () => {
  test('`inTurn()` alternates the order and leaves the warm-up out', async () => {
    const order: string[] = []
    let n = 0
    const note = (name: string) => () => {
      order.push(name)
      return n++
    }
    const { a, b } = await inTurn({ a: note('a'), b: note('b') }, { repeat: 2, warmup: 1 })
    expect(order.join('')).toBe('baabba')
    expect([a, b]).toEqual([
      [2, 5],
      [3, 4],
    ])
  })
  test('`inTurn()` stops when time is up, after three rounds', async () => {
    const { a } = await inTurn({ a: () => 1 }, { repeat: 1000, maxSeconds: 0 })
    expect(a).toHaveLength(3)
  })
})

test('`median()` and `medianRatio()`', () => {
  expect(median([3, 1, 2])).toBe(2)
  expect(median([4, 1, 2, 3])).toBe(2.5)
  expect(medianRatio([2, 9, 8], [1, 3, 2])).toBe(3)
})

test('`randomBatch()` trains every token but the last of each document', () => {
  const { ids, positions, targets, offsets, trainedTokens } = randomBatch(100, {
    batch: 2,
    length: 3,
    seed: 1,
  })
  expect([...positions]).toEqual([0, 1, 2, 0, 1, 2])
  expect([...offsets]).toEqual([0, 3, 6])
  expect([...targets]).toEqual([ids[1], ids[2], -100, ids[4], ids[5], -100])
  expect(trainedTokens).toBe(targets.filter((target) => target >= 0).length)
})

test('`timeDevice()` counts native ops and names those of the reference', () => {
  const run = (timed: ReturnType<typeof timeDevice>): number => {
    using _scope = tensorScope()
    const options = { device: timed.device }
    rmsNorm(
      tensor(new Float32Array(4096), { shape: [8, 512], ...options }),
      tensor(new Float32Array(512), options),
    )
    return timed.take()
  }
  const native = timeDevice(openCpu({ threads: 1 }))
  expect(run(native)).toBeGreaterThan(0)
  expect([native.take(), native.reference.size]).toEqual([0, 0])
  const slow = timeDevice(referenceDevice)
  expect(run(slow)).toBe(0)
  expect([...slow.reference]).toEqual(['rms_norm'])
})

describe('startChild()', () => {
  const program = (body: string): string[] => [process.execPath, '-e', body]
  const echo = `
    console.log('{"ready":true}')
    for await (const line of console) if (line === 'quit') break
      else console.log(line === 'bad' ? '{"error":"no such thing"}' : JSON.stringify({ line }))`

  test('`startChild()` asks and answers in lines of JSON', async () => {
    await using child = await startChild('echo', program(echo))
    expect(child.ready).toEqual({ ready: true })
    expect(await child.ask('one')).toEqual({ line: 'one' })
    expect(await child.ask('two')).toEqual({ line: 'two' })
    await expect(child.ask('bad')).rejects.toThrow('echo: no such thing')
  })
  test('`startChild()` says why a program ended', async () => {
    const ended = startChild('it', program('console.error("no torch here"); process.exit(3)'))
    await expect(ended).rejects.toThrow('it ended: no torch here')
  })
})
