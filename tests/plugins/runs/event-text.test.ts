/**
 * Events and changes of the learning rate as people read them.
 */
import { expect, test } from 'bun:test'
import { eventText, rateChangesText } from '../../../plugins/runs/mod.ts'

const LONG = 0.1234567890123456

test.each([
  ['start', { total_steps: 20 }, 'resumed after step 7'],
  ['end', { stopped: true, loss: 3.21987654321 }, 'stopped: loss 3.22'],
  ['eval', { loss: 2.5, perplexity: 12.18, tokens: 9, best: true }, 'evaluation: loss 2.5 (best)'],
  [
    'eval',
    { loss: null, metrics: { 'rewards/margins': LONG } },
    'evaluation: loss –, rewards/margins 0.1235',
  ],
  ['save', { path: 'checkpoint-7' }, 'saved checkpoint-7'],
  ['note', { text: 'one\n \u202etwo\u001b[31m' }, 'note: one two [31m'],
  ['alert', { name: 'spike', severity: 'critical', text: 'the loss jumped' }, 'alert: the loss jumped'],
  ['advice', { name: 'rate', learningRate: LONG, text: 'try less' }, 'advice: try less'],
  ['error', { code: 'E_NAN', message: 'the loss is NaN' }, 'error: the loss is NaN'],
  ['sample', { prompt: 'The whale', completion: ' swims' }, 'sample: The whale ▸ swims'],
  ['control', { id: 'x', action: 'pause', ok: true }, 'done: pause'],
  [
    'control',
    { id: 'x', action: 'set_learning_rate', ok: true, value: LONG, before: 1e-9 / 3 },
    'done: set learning rate 0.1235 (before: 3.333e-10)',
  ],
  ['control', { id: 'x', action: 'stop', ok: false, reason: 'too late' }, 'refused: stop: too late'],
  ['of-a-newer-version', { a: LONG, b: ['c'] }, 'of-a-newer-version: a 0.1235, b ["c"]'],
  ['bare', {}, 'bare'],
])('eventText() of %s %j', (type, fields, text) => {
  expect(eventText({ time: '2026-01-01T00:00:00Z', step: 7, type, ...fields })).toBe(text)
})

test('eventText() of a run that begins', () => {
  expect(eventText({ time: '', step: 0, type: 'start' })).toBe('started')
})

test('rateChangesText()', () => {
  expect(rateChangesText({ learning_rate_changes: [] })).toBe('')
  const changes = [
    { step: 3, from: 1e-3, to: LONG },
    { step: 9, from: LONG, to: 2e-5 },
  ]
  expect(rateChangesText({ learning_rate_changes: changes })).toBe(
    '0.001 → 0.1235 after step 3, 0.1235 → 0.00002 after step 9',
  )
})
