/** The report of a run: what it shows, that nothing of models and data becomes markup, and the model card that has its evaluation. */
import { describe, expect, test } from 'bun:test'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  type ModelEvaluation,
  evaluationResults,
  readEvaluation,
  reportPage,
  runReport,
} from '../../../plugins/evaluate/mod.ts'
import { lineChart } from '../../../plugins/evaluate/report/line-chart.ts'
import { readRunFacts } from '../../../plugins/finetune/mod.ts'
import { temporaryFolder } from '../../_golden.ts'

const HOSTILE = '<script>alert(1)</script>\u001b[2J"\'&'

const MEASURE = { value: 0.5, stderr: 0.1, low: 0.25, high: 0.75, isHigherBetter: true }

const EVALUATION: ModelEvaluation = {
  time: '2026-01-02T03:04:05.000Z',
  tritune: '1.0.0',
  subject: { model: 'base', adapter: 'out' },
  before: { model: 'base', adapter: null },
  settings: { limit: null, chat: false, chatTemplate: null, maxLength: null },
  tasks: [
    {
      task: HOSTILE,
      kind: 'multiple_choice',
      items: 12,
      cut: 0,
      measures: { acc: MEASURE },
      before: { acc: { ...MEASURE, value: 0.25 } },
      difference: { acc: { value: 0.25, low: 0.1, high: 0.4, verdict: 'better' } },
    },
  ],
}

function writeRun(folder: string): void {
  const lines = (...all: readonly object[]): string => all.map((line) => `${JSON.stringify(line)}\n`).join('')
  const steps = Array.from({ length: 900 }, (_, i) => ({
    step: i + 1,
    loss: 5 - i / 300,
    learning_rate: 1e-4,
  }))
  writeFileSync(join(folder, 'metrics.jsonl'), lines(...steps, { step: 900, eval_loss: 2.5 }))
  const time = '2026-01-02T03:04:05.000Z'
  writeFileSync(
    join(folder, 'events.jsonl'),
    lines(
      { time, step: 10, type: 'sample', prompt: HOSTILE, completion: 'Ishmael' },
      { time, step: 11, type: 'note', text: HOSTILE },
      { time, step: 12, type: 'control', id: 'x', action: 'set_learning_rate', ok: true, value: 5e-5 },
    ),
  )
  writeFileSync(
    join(folder, 'run.json'),
    JSON.stringify({
      run_name: HOSTILE,
      status: 'completed',
      command: 'bun run finetune my.yaml',
      config: { lora_r: 16, output_dir: HOSTILE },
      model: 'base',
      current_step: 900,
      total_steps: 900,
      learning_rate_changes: [{ step: 12, from: 1e-4, to: 5e-5 }],
    }),
  )
}

describe('the page', () => {
  test('has curves, samples, evaluation, the command and the settings', () => {
    using folder = temporaryFolder()
    writeRun(folder.path)
    writeFileSync(join(folder.path, 'evaluation.json'), JSON.stringify(EVALUATION))
    const report = runReport(folder.path)
    expect(report.charts[0].curves[0].points.length).toBeLessThanOrEqual(400)
    const page = reportPage(report)
    for (const part of [
      'Ishmael',
      'bun run finetune my.yaml',
      'lora_r: 16',
      '<polyline class="curve c0"',
      '<circle class="dot c1"',
      '0.25 [0.25, 0.75]',
      'class="better"',
      'completed, step 900 of 900',
      '0.0001 → 0.00005 after step 12',
      '<td>done: set learning rate 0.00005</td>',
    ])
      expect(page).toContain(part)
  })

  test('needs no network and no script, and nothing of models and data becomes markup', () => {
    using folder = temporaryFolder()
    writeRun(folder.path)
    writeFileSync(join(folder.path, 'evaluation.json'), JSON.stringify(EVALUATION))
    const page = reportPage(runReport(folder.path))
    expect(page).not.toMatch(/<script|https?:|src=|@import|url\(/)
    expect(page).not.toContain('\u001b')
    expect(page).toContain("default-src 'none'")
    expect(page.split('&#60;script&#62;').length).toBeGreaterThan(5)
  })

  test('of a run of before there was run.json has what there is', () => {
    using folder = temporaryFolder()
    writeFileSync(join(folder.path, 'metrics.jsonl'), '{"step":1,"loss":2}\n{"step":2,"loss":')
    const page = reportPage(runReport(folder.path))
    expect(page).toContain('<circle')
    expect(page).not.toContain('<h2>Evaluation')
  })

  test('of no run is an error', () => {
    using folder = temporaryFolder()
    expect(() => runReport(folder.path)).toThrow(/there is no run here/)
  })
})

test('a chart leaves out what is not finite, and is none without points', () => {
  expect(lineChart('x', [{ name: 'a', points: [] }])).toBeNull()
  expect(lineChart('x', [{ name: 'a', points: [[1, Number.NaN]] }])).toBeNull()
  const svg =
    lineChart('x', [
      {
        name: 'a',
        points: [
          [1, 2],
          [2, Infinity],
          [3, 2],
        ],
      },
    ]) ?? ''
  expect(svg.match(/points="([^"]*)"/)?.[1].split(' ')).toHaveLength(2)
  expect(svg).not.toContain('NaN')
})

test('an evaluation in the folder of a run is among the results of its model card', () => {
  using folder = temporaryFolder()
  const facts = { baseModel: 'base', datasets: [], settings: {}, results: { steps: 3 } }
  writeFileSync(join(folder.path, 'finished.json'), JSON.stringify({ facts }))
  expect(readRunFacts(folder.path)?.results).toEqual({ steps: 3 })
  writeFileSync(join(folder.path, 'evaluation.json'), JSON.stringify(EVALUATION))
  const told = { [`acc (${HOSTILE}, 12 items)`]: '0.2500 → 0.5000 (95 %: 0.2500 to 0.7500)' }
  expect(evaluationResults(EVALUATION)).toEqual(told)
  expect(readRunFacts(folder.path)?.results).toEqual({ steps: 3, ...told })
})

test.each([
  ['{"tasks": 3}', /no evaluation/],
  ['{"tasks": [{"task": 1}]}', /no evaluation/],
  ['{', /not valid JSON/],
])('an evaluation.json with %s is an error', (text, message) => {
  using folder = temporaryFolder()
  writeFileSync(join(folder.path, 'evaluation.json'), text)
  expect(() => readEvaluation(folder.path)).toThrow(message)
})
