/**
 * The cost model against what is known of it: limits, a direct simulation, and sums that were measured.
 */
import { describe, expect, test } from 'bun:test'
import { TrituneError } from '../../../core/mod.ts'
import { createRandom } from '../../../core/tensor/random.ts'
import { LINKS, stepCost, sumSeconds } from '../../../plugins/distributed/mod.ts'

const link = { bytesPerSecond: 1e9, latencySeconds: 1e-4 }
const job = { gradientBytes: 4e6, link, stepSeconds: [1] }

describe('seconds of a sum', () => {
  test('one process sends nothing; many send all twice', () => {
    expect(sumSeconds(1, 1e9, link)).toBe(0)
    expect(sumSeconds(2, 1e9, link)).toBeCloseTo(1 + 2e-4, 12)
    expect(sumSeconds(1024, 1e9, link)).toBeCloseTo((2 * 1023) / 1024 + 20e-4, 12)
  })
})

describe('a step', () => {
  test('alone costs its computation, and loses to sharing what the ring takes', () => {
    expect(stepCost({ ...job, processes: 1 })).toEqual({
      computing: 1,
      waiting: 0,
      sharing: 0,
      efficiency: 1,
    })
    const { waiting, sharing, efficiency } = stepCost({ ...job, processes: 8 })
    expect(waiting).toBe(0)
    expect(sharing).toBeCloseTo((2 * 7 * 4e6) / 8 / 1e9 + 6e-4, 12)
    expect(efficiency).toBeCloseTo(1 / (1 + sharing), 12)
  })

  test('sharing every tenth step costs a tenth', () => {
    const often = stepCost({ ...job, processes: 8 }).sharing
    expect(stepCost({ ...job, processes: 8, every: 10 }).sharing).toBeCloseTo(often / 10, 12)
  })

  test('waits for the slowest as long as a simulation does', () => {
    const random = createRandom(3, 'times of steps')
    const stepSeconds = Array.from({ length: 200 }, () => Math.exp(0.2 * random.normal()))
    for (const [processes, every] of [
      [4, 1],
      [64, 1],
      [1024, 1],
      [16, 25],
    ]) {
      const { computing, waiting } = stepCost({ ...job, stepSeconds, processes, every })
      const rounds = processes > 100 ? 200 : 2000
      let total = 0
      for (let round = 0; round < rounds; round++) {
        let slowest = 0
        for (let p = 0; p < processes; p++) {
          let own = 0
          for (let s = 0; s < every; s++) own += stepSeconds[random.int(stepSeconds.length)]
          slowest = Math.max(slowest, own)
        }
        total += slowest
      }
      const simulated = total / rounds / every
      expect(Math.abs(computing + waiting - simulated) / simulated).toBeLessThan(0.02)
    }
  }, 20_000)

  test('faster links never make it slower', () => {
    const at = (name: keyof typeof LINKS): number =>
      stepCost({ ...job, processes: 64, link: LINKS[name] }).efficiency
    expect(at('10 Gb/s')).toBeGreaterThan(at('1 Gb/s'))
    expect(at('1 Gb/s')).toBeGreaterThan(at('100 Mb/s'))
  })

  test('what is no step is refused', () => {
    expect(() => stepCost({ ...job, processes: 0 })).toThrow(TrituneError)
    expect(() => stepCost({ ...job, processes: 2, every: 0.5 })).toThrow('every')
    expect(() => stepCost({ ...job, processes: 2, stepSeconds: [] })).toThrow('stepSeconds')
    expect(() => stepCost({ ...job, processes: 2, stepSeconds: [1, Number.NaN] })).toThrow('stepSeconds')
  })
})
