import { describe, expect, test } from 'bun:test'
import { startChild } from '../../scripts/bench/_child.ts'
import { inTurn, median, medianRatio } from '../../scripts/bench/_measure.ts'
import { randomBatch } from '../../scripts/bench/_random-step.ts'
import { timeDevice } from '../../scripts/bench/_timed-device.ts'
import { formatRooflines, roofline, workOf } from '../../scripts/bench/_roofline.ts'
import { formatRows, judge, type Row } from '../../scripts/bench/_topic.ts'
import {
  backward,
  linear,
  linearQuantized,
  quantize4bit,
  referenceDevice,
  rmsNorm,
  sum,
  tensor,
  tensorScope,
  zeros,
} from '../../core/mod.ts'
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

describe('roofline()', () => {
  const rates = { flop: 100e9, bytes: 10e9 }
  test('`roofline()` takes the longer of computing and moving for each part', () => {
    const parts = [
      { flop: 200e9, bytes: 1e9 },
      { flop: 10e9, bytes: 20e9 },
    ]
    // 2 s of multiply-adds, then 2 s of moving.
    expect(roofline(parts, 200e9, rates).share).toBeCloseTo(0.5, 12)
    expect(roofline(parts, 210e9, rates).share).toBeCloseTo(0.525, 12)
  })
  test('`judge()` excuses what is below the floor but at 0.95 of its roofline', () => {
    const limited = { ...row, ratio: 0.76, roofline: { share: 0.8, why: 'it copies' } }
    expect(judge({ ...limited, floor: 0.9 })).toBe('roofline')
    expect(judge({ ...limited, floor: 0.9, ratio: 0.75 })).toBe('MISSED')
    expect(judge({ ...limited, floor: 0.7 })).toBe('ok')
    expect(judge({ ...limited, floor: 0.9, ratio: Number.NaN })).toBe('MISSED')
    expect(judge({ ...limited, floor: 0.9, ratio: null, ours: 0.76 })).toBe('MISSED')
  })
  test('`formatRooflines()` has a line for what is below its floor, and no other', () => {
    const limited: Row = { ...row, ratio: 0.6, floor: 0.9, roofline: { share: 0.8, why: 'it copies' } }
    expect(formatRooflines([row, limited, { ...limited, ratio: 0.95 }])).toEqual([
      'x: 0.60 is 0.75 of its roofline of 0.80 (it copies)',
    ])
  })
  test('`workOf()` counts the multiply-adds and the bytes of a layer', () => {
    const device = openCpu({ threads: 1 })
    const seen: [string, number, number][] = []
    const { device: watched } = timeDevice(device, (op, inputs, outputs) => {
      const { flop, bytes } = workOf(op, inputs, outputs)
      seen.push([op, flop, bytes])
    })
    using _scope = tensorScope()
    const make = (...shape: number[]): ReturnType<typeof zeros> => zeros(shape, { device: watched })
    const lora = { a: make(2, 8), b: make(4, 2), scale: 1 }
    linear(make(3, 8), make(4, 8), { lora })
    // x, weight, a, b, y, xa
    const bytes = 4 * (24 + 32 + 16 + 8 + 12 + 6)
    expect(seen.filter(([op]) => op === 'linear')).toEqual([['linear', 2 * 3 * (8 * 4 + 2 * (8 + 4)), bytes]])

    // A packed weight counts as many: forward, and back to x, a and b.
    seen.length = 0
    const [x, a, b] = [make(3, 64), make(2, 64), make(4, 2)]
    for (const one of [x, a, b]) one.requiresGrad = true
    using packed = quantize4bit(make(4, 64), { kind: 'nf4' })
    backward(sum(linearQuantized(x, packed, { lora: { a, b, scale: 1 } })))
    const rank = 2 * (64 + 4)
    expect(seen.filter(([op]) => op.startsWith('linear')).map(([op, flop]) => [op, flop])).toEqual([
      ['linear_quantized', 2 * 3 * (64 * 4 + rank)],
      ['linear_quantized_backward', 2 * 3 * (64 * 4 + rank + rank)],
    ])
  })
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
