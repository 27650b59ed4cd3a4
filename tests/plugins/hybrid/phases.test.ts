/**
 * Which phase may follow which: of the table, and of runs that are driven by chance.
 */
import { expect, test } from 'bun:test'
import { createRandom, parameter, type StepContext, tensor, TrituneError } from '../../../core/mod.ts'
import { createPhases, type Phase, TRANSITIONS } from '../../../plugins/hybrid/phases.ts'
import { createHybrid } from '../../../plugins/hybrid/strategy.ts'

const PHASES: readonly Phase[] = ['warmup', 'full', 'predict', 'correct']

test('the table is the one of the design', () => {
  expect(TRANSITIONS).toEqual({
    warmup: ['full'],
    full: ['predict'],
    predict: ['correct', 'full'],
    correct: ['full'],
  })
})

test('whatever is asked for, only what the table has happens', () => {
  for (let seed = 0; seed < 50; seed++) {
    const random = createRandom(seed, 'phases')
    const seen: (readonly [Phase, Phase])[] = []
    const phases = createPhases((from, to) => seen.push([from, to]))
    for (let i = 0; i < 40; i++) {
      const before = phases.now
      const wanted = PHASES[random.int(PHASES.length)]
      if (TRANSITIONS[before].includes(wanted)) {
        phases.enter(wanted)
        expect(phases.now).toBe(wanted)
      } else {
        expect(() => phases.enter(wanted)).toThrow(`${wanted} does not follow ${before}`)
        expect(phases.now).toBe(before)
      }
    }
    for (const [from, to] of seen) expect(TRANSITIONS[from]).toContain(to)
  }
})

test('a run goes through legal phases, whatever losses and failures it meets', () => {
  const reached = new Set<string>()
  for (let seed = 0; seed < 40; seed++) {
    const random = createRandom(seed, 'losses')
    using w = parameter(tensor([0, 0, 0]))
    const parameters = new Map([['w', w]])
    const seen: (readonly [Phase, Phase])[] = []
    const unused = (): never => {
      throw new Error('not of this strategy')
    }
    const run = {
      get model() {
        return unused()
      },
      parameters,
      totalSteps: 40,
      seed,
    }
    const options = { arm: 'auto', warmup: 4, every: 1, exploration: 1, confidence: 0.5 } as const
    const strategy = createHybrid(options, run, { onPhase: (from, to) => seen.push([from, to]) })
    const better = random.float()
    let calls = 0
    for (let step = 0; step < 40; step++) {
      let asked = 0
      const context: StepContext = {
        step,
        totalSteps: 40,
        learningRate: 1,
        get model() {
          return unused()
        },
        parameters,
        evaluate: unused,
        evaluateEach() {
          const after = asked++ % 2 === 1
          const bad = random.float() < 0.05 ? Number.NaN : 0
          return [1, 2, 3, 4].map((loss) => bad + loss + (after ? random.float() - better : 0))
        },
        backward: unused,
        update: unused,
        beforeUpdate: () => {},
      }
      let failed = false
      const result = strategy.step(context, () => {
        calls++
        if (seen.at(-1)?.[1] === 'correct' && !failed && random.float() < 0.3) {
          failed = true
          throw new TrituneError('E_NAN', 'by chance')
        }
        const values = w.host()
        for (let i = 0; i < values.length; i++) values[i] += random.float()
        return { loss: 5 - step / 20 + random.float(), metrics: {} }
      })
      expect(Number.isFinite(result.loss)).toBe(true)
      if (failed) expect(result.metrics['hybrid_taken_back']).toBe(1)
      for (const value of Object.values(result.metrics)) expect(Number.isFinite(value)).toBe(true)
      // Between steps a run is nowhere else, and checkpoints are written there.
      expect(['warmup', 'full']).toContain(seen.at(-1)?.[1] ?? 'warmup')
    }
    expect(calls).toBeGreaterThanOrEqual(40)
    let now: Phase = 'warmup'
    for (const [from, to] of seen) {
      expect(from).toBe(now)
      expect(TRANSITIONS[from]).toContain(to)
      reached.add(`${from} ${to}`)
      now = to
    }
    strategy[Symbol.dispose]?.()
  }
  const all = PHASES.flatMap((from) => TRANSITIONS[from].map((to) => `${from} ${to}`))
  expect([...reached].toSorted()).toEqual(all.toSorted())
})
