/**
 * The advisors over curves that runs of the bundled model left: what they say of runs that went wrong, and how often they speak of fifty that went well.
 */
import { describe, expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ADVISORS, type AdvisorEvent, analyzeCurve, createAdvisor } from '../../../plugins/advise/mod.ts'
import { type RecordedCurve, recordedCurves } from './_curves.ts'

const healthy = recordedCurves('healthy')
const unhealthy = recordedCurves('unhealthy')
const ofKind = (kind: string): RecordedCurve[] => unhealthy.filter((curve) => curve.kind === kind)

function said({ points }: RecordedCurve): AdvisorEvent[] {
  const advisor = createAdvisor()
  return points.flatMap((point) => advisor.onStep(point))
}

const names = (events: readonly AdvisorEvent[]): string[] => [...new Set(events.map(({ name }) => name))]

describe('runs that went well', () => {
  test('are fifty, and got better on texts that they did not learn', () => {
    expect(new Set(healthy.map(({ name }) => name)).size).toBe(50)
    for (const { evaluations } of healthy) {
      const losses = evaluations.map(([, loss]) => loss)
      expect(losses.at(-1)).toBeLessThan(5.1)
      expect(losses.at(-1)).toBeLessThan(Math.min(...losses) * 1.02)
    }
  })

  test('are spoken of as often as the page says', () => {
    const page = readFileSync(join(import.meta.dir, '../../../docs/advise/README.md'), 'utf8')
    const [, counted] = /(\d+) false alarms?/.exec(page.replace(/\s+/g, ' ')) ?? []
    const alarms = healthy.flatMap((curve) =>
      said(curve).map(({ step, name }) => `${curve.name} ${step} ${name}`),
    )
    expect(alarms).toHaveLength(Number(counted))
  })

  test('are never said to diverge or to swing', () => {
    const trends = new Set(healthy.map(({ points }) => analyzeCurve(points).trend))
    expect([...trends].toSorted()).not.toContain('diverging')
    expect([...trends].toSorted()).not.toContain('oscillating')
  })
})

describe('runs that went wrong', () => {
  test('there are two of each kind', () => {
    expect(unhealthy.map(({ kind }) => kind).toSorted()).toEqual(
      ['divergence', 'nan', 'plateau', 'spike'].flatMap((kind) => [kind, kind]),
    )
  })

  test.each(ofKind('spike').map((curve) => [curve.name, curve] as const))(
    '%s: the texts of steps 100 and 101 are in a script that the model never saw',
    (_, curve) => {
      expect(said(curve).map(({ step, name }) => `${step} ${name}`)).toEqual([
        '100 loss-spike',
        '101 learning-rate:gradient-jump',
        '102 loss-spike-over',
      ])
    },
  )

  test.each(ofKind('plateau').map((curve) => [curve.name, curve] as const))(
    '%s: a learning rate of 1e-7 is told once 100 steps were made, with a higher one',
    (_, curve) => {
      const events = said(curve)
      expect(names(events)).toEqual(['plateau', 'learning-rate:plateau'])
      expect(events[0].step).toBeGreaterThanOrEqual(100)
      const advice = events.find(({ type }) => type === 'advice')
      expect(advice?.type === 'advice' && advice.learningRate).toBeGreaterThan(1e-7)
    },
  )

  test.each(ofKind('divergence').map((curve) => [curve.name, curve] as const))(
    '%s: a rate that rises too far is told by step 40, with a lower one, as critical',
    (_, curve) => {
      const events = said(curve)
      const early = events.filter(({ step }) => step <= 40)
      expect(names(early)).toEqual(expect.arrayContaining(['loss-spike', 'diverging']))
      expect(events.some(({ severity }) => severity === 'critical')).toBe(true)
      const rates = early.flatMap((event) => (event.type === 'advice' ? (event.learningRate ?? []) : []))
      const now = curve.points[39].learningRate
      expect(rates.length).toBeGreaterThan(0)
      expect(Math.min(...rates)).toBeLessThan(now)
      expect(analyzeCurve(curve.points.slice(0, 60))).toMatchObject({ trend: 'diverging' })
    },
  )

  test.each(ofKind('nan').map((curve) => [curve.name, curve] as const))(
    '%s: the step whose loss is none is told at once',
    (_, curve) => {
      const last = curve.points.at(-1)
      expect(last?.loss).toBeNaN()
      const events = said(curve).filter(({ step }) => step === last?.step)
      expect(names(events)).toContain('non-finite-loss')
      expect(events.find(({ name }) => name === 'non-finite-loss')?.severity).toBe('critical')
      expect(analyzeCurve(curve.points).trend).toBe('diverging')
    },
  )

  test.each(ADVISORS)('%s alone speaks of one of them at least', (name) => {
    const told = unhealthy.flatMap(({ points }) => {
      const advisor = createAdvisor({ only: [name] })
      return points.flatMap((point) => advisor.onStep(point))
    })
    expect(told.length).toBeGreaterThan(0)
  })
})
