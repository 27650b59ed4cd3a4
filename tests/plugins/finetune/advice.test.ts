/**
 * The advisors of a run: their events come after the step that they are of, reach the monitors, and change nothing of the run.
 */
import { expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { RunEvent } from '../../../core/mod.ts'
import { ConfigError } from '../../../core/mod.ts'
import { sendControl } from '../../../plugins/runs/mod.ts'
import { fileBytes, workspace } from './_run.ts'

/** A run whose learning rate rises beyond all reason. */
const WILD = { learning_rate: 30, warmup_steps: 120, max_grad_norm: 0, max_steps: 45 }

const isSaid = (event: RunEvent): boolean => event.type === 'alert' || event.type === 'advice'

test('what advisors say follows its step, and stands in events.jsonl', async () => {
  using space = workspace()
  const { events, outputDir } = await space.train(WILD)
  const said = events.findIndex(isSaid)
  expect(said).toBeGreaterThan(0)
  const step = events.slice(0, said).findLast(({ type }) => type === 'step')
  const first = events[said]
  expect(step?.type === 'step' && (first.type === 'alert' || first.type === 'advice') && first.step).toBe(
    step?.type === 'step' ? step.report.step : -1,
  )
  const lines = readFileSync(join(outputDir, 'events.jsonl'), 'utf8')
  expect(lines).toMatch(/"type":"(alert|advice)"/)
})

test.each([30, 3])(
  'the advised rate is a part of the one that can be set, in a file of %p',
  async (learningRate) => {
    using space = workspace()
    const { events } = await space.train(
      { ...WILD, learning_rate: learningRate },
      {
        onEvent(event) {
          if (learningRate !== 30 && event.type === 'start')
            sendControl(join(space.path, 'out'), { action: 'set_learning_rate', value: 30 })
        },
      },
    )
    const advised = events.flatMap((event) =>
      event.type === 'advice' && event.learningRate !== undefined ? [event] : [],
    )
    expect(advised).not.toEqual([])
    for (const { learningRate: rate, text } of advised)
      expect(rate).toBeCloseTo(30 * Number(/× ([\d.]+)/.exec(text)?.[1]), 6)
  },
)

test('off, nothing is said, and the weights are the same bits', async () => {
  using space = workspace()
  const on = await space.train(WILD)
  const file = 'adapter_model.safetensors'
  const trained = fileBytes(join(on.outputDir, file))
  using other = workspace()
  const off = await other.train({ ...WILD, advise: false })
  expect(off.events.some(isSaid)).toBe(false)
  expect(fileBytes(join(off.outputDir, file))).toEqual(trained)
})

test('a healthy little run has nothing to be told of', async () => {
  using space = workspace()
  const { events } = await space.train({ max_steps: 50 })
  expect(events.filter(isSaid)).toEqual([])
})

test.each([
  [true, ['learning_rate', 'curve', 'alerts', 'spikes']],
  [null, ['learning_rate', 'curve', 'alerts', 'spikes']],
  [false, []],
  ['off', []],
  ['spikes', ['spikes']],
  [['alerts'], ['alerts']],
  [[], []],
])('advise: %p', (advise, expected) => {
  using space = workspace()
  expect(space.config({ advise }).advise.join()).toBe(expected.join())
})

test.each([['spike'], [['spikes', 'alert']], [7]])('advise: %p is refused by name', (advise) => {
  using space = workspace()
  expect(() => space.config({ advise })).toThrow(ConfigError)
})
