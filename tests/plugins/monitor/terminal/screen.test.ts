/**
 * The screen of the terminal monitor: it fills the terminal and no more at any size, shows what there is, and does nothing to the terminal.
 */
import { describe, expect, test } from 'bun:test'
import {
  cellsOf,
  fitted,
  type Line,
  painted,
  plainLine,
  wrapped,
} from '../../../../plugins/monitor/terminal/cells.ts'
import { drawChart } from '../../../../plugins/monitor/terminal/draw-chart.ts'
import { drawScreen } from '../../../../plugins/monitor/terminal/draw-screen.ts'
import { nextWatched, type WatchedRun } from '../../../../plugins/monitor/terminal/watched-run.ts'
import { type EventLine, parseRunRecord } from '../../../../plugins/runs/mod.ts'

const KEYS = { at: 1, of: 1, newer: null, prompt: null }
const event = (step: number, type: string, fields: object): EventLine => ({ time: '', step, type, ...fields })
const record = (fields: object): WatchedRun['run'] =>
  parseRunRecord({ run_name: 'whales', status: 'running', current_step: 60, total_steps: 100, ...fields })

function watched(fields: object = {}, events: readonly EventLine[] = []): WatchedRun {
  const steps = Array.from({ length: 60 }, (_, i) => ({
    step: i + 1,
    loss: 2 + Math.exp(-i / 10),
    learning_rate: 1e-3,
    grad_norm: 0.5,
    tokens_per_second: 1000,
  }))
  const metrics = [...steps, { step: 50, eval_loss: 2.5 }]
  return nextWatched(null, { run: record(fields), metrics, events, histograms: [], anew: [] })
}

const text = (lines: readonly Line[]): string[] => lines.map((line) => painted(line, false))

describe('drawScreen()', () => {
  test.each([
    [80, 24],
    [200, 50],
    [60, 20],
    [59, 15],
    [30, 8],
    [10, 3],
    [1, 1],
  ])('fills %d × %d cells', (columns, rows) => {
    const events = [
      event(50, 'eval', { loss: 2.5, best: true }),
      event(55, 'sample', { prompt: 'The whale', completion: '海の鯨 🐳 is '.repeat(60) }),
      event(56, 'alert', { severity: 'warning', text: 'the loss jumped '.repeat(20) }),
    ]
    for (const state of [null, watched(), watched({}, events)]) {
      const lines = drawScreen(state, { columns, rows }, KEYS)
      expect(lines).toHaveLength(rows)
      for (const line of text(lines)) expect(cellsOf(line)).toBe(columns)
    }
  })

  test('has the run, its numbers, its charts, a sample, the log and the keys', () => {
    const state = watched({ best_loss: 2.5, best_step: 50, model: 'tiny', steps_per_second: 2 }, [
      event(50, 'eval', { loss: 2.5, best: true }),
      event(50, 'save', { path: 'checkpoint-50' }),
      event(55, 'sample', { prompt: 'The whale', completion: 'swims' }),
      event(57, 'control', { action: 'set_learning_rate', value: 0.01, ok: false, reason: 'too late' }),
    ])
    const screen = text(drawScreen(state, { columns: 80, rows: 24 }, KEYS)).join('\n')
    for (const part of [
      'running  whales  tiny',
      'step 60/100',
      '60 %  20 s left',
      'best 2.5000 at 50',
      'learning rate 1.00e-3',
      'loss, ◆ evaluation',
      'gradient norm',
      'sample of step 55',
      'The whale ▸ swims',
      '50  evaluation: loss 2.5 (best)',
      '50  saved checkpoint-50',
      '57  refused: set learning rate 0.01: too late',
      'q leave  p pause',
    ])
      expect(screen).toContain(part)
  })

  test.each([
    [80, 24],
    [60, 16],
    [40, 20],
  ])('why a run failed stands there whole, in %d × %d', (columns, rows) => {
    const reason =
      'the process ended without a word: it was killed, or its machine went down; nothing of it goes on'
    const name = 'a-rather-long-name-of-a-run'
    const state = watched({ run_name: name, status: 'failed', error_message: reason, model: 'org/model-7b' })
    const lines = text(drawScreen(state, { columns, rows }, KEYS))
    expect(lines.map((line) => line.trim()).join(' ')).toContain(reason)
    expect(lines[0]).toContain(name)
    expect(lines.at(-1)).toContain('q leave')
  })

  test('a reason that is too long for the screen ends in …, and leaves room', () => {
    const state = watched({ status: 'failed', error_message: 'word '.repeat(1000) })
    const lines = text(drawScreen(state, { columns: 80, rows: 24 }, KEYS))
    expect(lines.join('')).toContain('word…')
    expect(lines.join('')).toContain('step 60/100')
  })

  test('a long event stands there whole: advice names its rate at the end', () => {
    const advice =
      'the loss has not fallen in 100 steps, at a learning rate that is not yet low: try a rate of 2.00e-3 (× 2)'
    const state = watched({}, [event(1, 'note', { text: 'first' }), event(56, 'advice', { text: advice })])
    const screen = text(drawScreen(state, { columns: 80, rows: 24 }, KEYS)).map((line) => line.trim())
    expect(screen.join(' ')).toContain(`56  advice: ${advice}`)
    expect(screen.join(' ')).toContain('1  note: first')
  })

  test('a paused run can be resumed, and several be leafed through', () => {
    const lines = text(
      drawScreen(watched({ status: 'paused' }), { columns: 80, rows: 24 }, { ...KEYS, at: 2, of: 3 }),
    )
    expect(lines.at(-1)).toContain('p resume')
    expect(lines.at(-1)).toContain('run 2 of 3')
  })

  test('what a model or a file says does nothing to the terminal', () => {
    const evil = '\u001b]0;title\u0007\u001b[2J\u009b31m\r\n\u202ehidden'
    const state = watched({ run_name: evil, model: evil, error_message: evil }, [
      event(1, 'note', { text: evil }),
      event(1, 'sample', { prompt: evil, completion: evil }),
    ])
    const screen = text(drawScreen(state, { columns: 120, rows: 30 }, { ...KEYS, prompt: evil })).join('')
    expect(screen).not.toMatch(/[\p{Cc}\u202e]/u)
    expect(screen).toContain('hidden')
  })
})

describe('drawChart()', () => {
  const chart = (values: readonly number[]): string[] =>
    text(
      drawChart(
        { title: 't', dots: values.map((value, i) => [i + 1, value]), format: (value) => value.toFixed(1) },
        20,
        5,
      ),
    )

  test('a falling line goes from the upper left to the lower right', () => {
    const [title, first, ...others] = chart([4, 3, 2, 1])
    expect(title).toBe(' t')
    expect(first).toContain('4.0 ')
    expect(others.at(-1)).toContain('1.0 ')
    expect(first.slice(9)[0]).not.toBe('\u2800')
    expect(first.at(-1)).toBe('\u2800')
    expect(others.at(-1)?.at(-1)).not.toBe('\u2800')
  })

  test('a jump of one step among many is seen', () => {
    const calm = Array.from({ length: 1000 }, () => 1)
    const [, top] = chart([...calm.slice(0, 500), 9, ...calm])
    expect(top).toMatch(/[\u2801-\u28ff]/)
  })

  test('a flat line, one point, none, and what is not finite', () => {
    expect(chart([2, 2, 2]).join('')).toMatch(/[\u2801-\u28ff]/)
    expect(chart([2]).join('')).toMatch(/[\u2801-\u28ff]/)
    expect(chart([]).join('')).toContain('nothing yet')
    expect(chart([Number.NaN, Infinity]).join('')).toContain('nothing yet')
    expect(chart([1, Number.NaN, 3])[1]).toContain('3.0')
  })
})

describe('nextWatched()', () => {
  test('adds what is new, and drops what a resumed run cut off', () => {
    const before = watched({}, [event(1, 'note', { text: 'old' })])
    const run = record({ current_step: 61 })
    const more = nextWatched(before, {
      run,
      metrics: [{ step: 61, loss: 1 }],
      events: [event(61, 'note', { text: 'new' })],
      histograms: [],
      anew: [],
    })
    expect([more.steps.length, more.evaluations.length, more.log.length]).toEqual([61, 1, 2])
    const again = nextWatched(more, {
      run,
      metrics: [{ step: 1, loss: 1 }],
      events: [],
      histograms: [],
      anew: ['metrics', 'events'],
    })
    expect([again.steps.length, again.evaluations.length, again.log.length]).toEqual([1, 0, 0])
  })
})

describe('cells', () => {
  test('wide characters take two, marks on others none', () => {
    expect(['a', '鯨', '한글', '🐳', 'e\u0301', ''].map(cellsOf)).toEqual([1, 2, 4, 2, 1, 0])
  })

  test('lines are cut and filled to the cell', () => {
    expect(painted(fitted([{ text: '鯨鯨鯨' }], 5), false)).toBe('鯨鯨 ')
    expect(painted(fitted([{ text: 'ab' }, { text: 'cd', style: 'red' }], 3), false)).toBe('abc')
    expect(painted(fitted([{ text: 'ab', style: 'red' }], 3), true)).toBe('\u001b[31mab\u001b[39m ')
  })

  test('texts are broken between words where that is possible', () => {
    expect(wrapped('one two three', 8, 3)).toEqual(['one two', 'three'])
    expect(wrapped('x'.repeat(20), 8, 2)).toEqual(['x'.repeat(8), 'x'.repeat(8)])
    expect(plainLine('a\tb\nc\u0000')).toBe('a b c\u2400')
  })
})
