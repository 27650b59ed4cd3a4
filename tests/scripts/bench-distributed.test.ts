/**
 * `bench distributed` and the rates of `bench links`: a played job beside the formula where that is exact, and what only playing shows.
 */
import { afterEach, beforeEach, describe, expect, test } from 'bun:test'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createRandom } from '../../core/mod.ts'
import { writeSafetensors } from '../../core/files/safetensors-write.ts'
import { LINKS, stepCost, sumSeconds } from '../../plugins/distributed/mod.ts'
import { exchangeSeconds, measureCoding, WAYS } from '../../scripts/bench/distributed/exchanges.ts'
import { type PlayedJob, playJob, playJobs } from '../../scripts/bench/distributed/play-job.ts'
import { readTrace, RECORDED } from '../../scripts/bench/distributed/trace.ts'
import { breakEven, formatBreakEven } from '../../scripts/bench/links/break-even.ts'

const link = LINKS['1 Gb/s']
const random = createRandom(1, 'jobs')
const job: PlayedJob = { trace: [0.5], processes: 4, steps: 20, exchangeSeconds: 0, stretch: 1, random }

describe('a played job', () => {
  test.each([
    [1, 1],
    [8, 1],
    [8, 5],
    [1024, 5],
  ])('of constant steps is the formula: %p processes, every %p', (processes, every) => {
    const gradientBytes = 4e6
    const exchange = sumSeconds(processes, gradientBytes, link)
    const played = playJob({ ...job, processes, every, exchangeSeconds: exchange })
    const formula = stepCost({ processes, every, gradientBytes, link, stepSeconds: job.trace })
    for (const name of ['computing', 'waiting', 'sharing', 'efficiency'] as const)
      expect(played[name]).toBeCloseTo(formula[name], 10)
  })

  test('of steps that are drawn one by one comes to the formula', () => {
    const trace = Array.from({ length: 100 }, (_, i) => 1 + (i % 10 === 0 ? 2 : 0.001 * i))
    const { mean, low, high } = playJobs({ ...job, trace, processes: 16, steps: 300 }, 20)
    const { efficiency } = stepCost({ processes: 16, gradientBytes: 0, link, stepSeconds: trace })
    expect(Math.abs(mean / efficiency - 1)).toBeLessThan(0.01)
    expect(low).toBeLessThanOrEqual(efficiency)
    expect(high).toBeGreaterThanOrEqual(efficiency)
  })

  test('whose slow steps come together waits longer at the end of rounds than one whose slow steps do not', () => {
    const trace = Array.from({ length: 200 }, (_, i) => (i % 100 < 20 ? 3 : 1))
    const rounds = { ...job, trace, processes: 8, every: 10, steps: 400 }
    const together = playJobs({ ...rounds, stretch: 20 }, 20).mean
    const apart = playJobs({ ...rounds, stretch: 1 }, 20).mean
    expect(together).toBeLessThan(0.9 * apart)
  })

  test('a last round that is shorter is a round, too', () => {
    expect(playJob({ ...job, steps: 7, every: 5, exchangeSeconds: 1 }).sharing).toBeCloseTo(2 / 7, 12)
  })

  test('is the same from the same random numbers', () => {
    const play = (): number => playJob({ ...job, trace: [1, 2, 3], random: createRandom(7, 'x') }).efficiency
    expect(play()).toBe(play())
  })

  test('what is none is refused', () => {
    expect(() => playJob({ ...job, trace: [] })).toThrow('trace')
    expect(() => playJob({ ...job, trace: [1, Number.NaN] })).toThrow('trace')
    expect(() => playJob({ ...job, processes: 0 })).toThrow('processes')
    expect(() => playJob({ ...job, stretch: 1.5 })).toThrow('stretch')
    expect(() => playJobs(job, 0)).toThrow('times')
  })
})

describe('an exchange', () => {
  const coding = { encode: 0.01, decode: 0.002, bytes: 1e5 }
  const facts = { gradientBytes: 2e6, link, coding }
  const [ring, , all, hops] = WAYS
  test('by a ring is a sum, alone it is nothing', () => {
    expect(exchangeSeconds(ring, { ...facts, processes: 8 })).toBe(sumSeconds(8, 2e6, link))
    for (const way of WAYS) expect(exchangeSeconds(way, { ...facts, processes: 1 })).toBe(0)
  })
  test('of all messages grows with the processes, in two hops it does not', () => {
    const at = (way: typeof all, processes: number): number => exchangeSeconds(way, { ...facts, processes })
    expect(at(all, 3)).toBeCloseTo(0.01 + 3 * 0.002 + 2e5 / 118e6 + 2 * 30e-6, 12)
    expect(at(all, 1024) / at(all, 8)).toBeGreaterThan(50)
    expect(at(hops, 1024) / at(hops, 8)).toBeLessThan(1.1)
  })
  test('has the bytes of a message that was made', () => {
    const { bytes, encode, decode } = measureCoding(5000)
    expect(bytes).toBe(32 + 8 + 2 * 2 + Math.ceil(4096 / 5) + Math.ceil(904 / 5))
    expect(encode).toBeGreaterThan(0)
    expect(decode).toBeGreaterThan(0)
  })
})

describe('a trace', () => {
  let folder = ''
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'tritune-trace-'))
  })
  afterEach(() => rmSync(folder, { recursive: true, force: true }))

  test('that was recorded has steps of the bundled model', () => {
    const { seconds, gradientBytes, of } = readTrace(RECORDED)
    expect(seconds.length).toBeGreaterThan(200)
    // r 8 on all linear layers
    expect(gradientBytes).toBe(598_016)
    expect(of).toContain('quickstart/distributed.yaml')
  })
  test('of a run is its metrics without the first step, and the size of its adapter', () => {
    writeFileSync(
      join(folder, 'metrics.jsonl'),
      '{"step":1,"seconds":9}\n{"step":2,"seconds":0.5}\n{"eval_loss":1}\n{"step":3,"seconds":0.25}\n',
    )
    writeSafetensors(join(folder, 'adapter_model.safetensors'), [
      { name: 'a', dtype: 'f32', shape: [3, 5], chunks: () => [new Uint8Array(60)] },
    ])
    expect(readTrace(folder)).toMatchObject({ gradientBytes: 60, seconds: [0.5, 0.25] })
  })
  test('that is none is an error', () => {
    expect(() => readTrace(join(folder, 'nowhere'))).toThrow('nowhere')
    expect(() => readTrace(folder)).toThrow('metrics.jsonl')
    const path = join(folder, 'x.json')
    for (const text of ['{', '{}', '{"of": "x", "gradientBytes": 4, "seconds": [1, -1]}']) {
      writeFileSync(path, text)
      expect(() => readTrace(path)).toThrow('x.json')
    }
  })
})

describe('the rate below which sending less is faster', () => {
  /** Steps that compute for `base` seconds and send so many bits. */
  const steps = (base: number, bits: number): { bitsPerSecond: number; seconds: number }[] =>
    [1e7, 1e8, 1e9].map((bitsPerSecond) => ({ bitsPerSecond, seconds: base + bits / bitsPerSecond }))
  test('is where what is sent less takes as long as the coding', () => {
    expect(breakEven(steps(0.1, 4e6), steps(0.12, 1e6))).toBeCloseTo(3e6 / 0.02, 0)
    expect(formatBreakEven(1.5e8)).toBe('faster below 150 Mb/s')
    expect(formatBreakEven(2.5e9)).toBe('faster below 2.5 Gb/s')
  })
  test('may be every one, or none', () => {
    expect(breakEven(steps(0.1, 4e6), steps(0.1, 1e6))).toBe(Infinity)
    expect(breakEven(steps(0.1, 4e6), steps(0.08, 1e6))).toBe(Infinity)
    expect(breakEven(steps(0.1, 1e6), steps(0.12, 4e6))).toBe(0)
    expect(formatBreakEven(Infinity)).toBe('faster at every rate')
    expect(formatBreakEven(0)).toBe('faster at no rate')
  })
})
