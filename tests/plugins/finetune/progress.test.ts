/**
 * The line of progress: one row on a terminal of any width.
 */
import { expect, test } from 'bun:test'
import type { StepReport } from '../../../core/mod.ts'
import { createProgress, fitLine } from '../../../plugins/finetune/mod.ts'

function report(step: number, totalSteps: number): StepReport {
  return {
    step,
    totalSteps,
    epoch: 0,
    loss: 12.34567,
    learningRate: 1.25e-4,
    gradNorm: 1,
    tokens: 4096,
    trainedTokens: 4000,
    seconds: 3.21,
    memory: null,
    metrics: {},
  }
}

/** What a step writes on a terminal so wide. */
function lineAt(columns: number, step: number, totalSteps: number): string {
  let written = ''
  const { onEvent } = createProgress({
    loggingSteps: 1,
    terminal: true,
    columns: () => columns,
    write: (text) => (written += text),
  })
  void onEvent({ type: 'step', report: report(step, totalSteps) })
  return written
}

test.each([40, 50, 60, 80, 200])('fits %d columns without touching the last', (columns) => {
  for (const [step, total] of [
    [3, 150],
    [123_456, 10_000_000],
    [150, 150],
  ]) {
    const line = lineAt(columns, step, total).trimEnd()
    expect(line.length).toBeLessThan(columns)
    expect(line).toContain(`step ${String(step).padStart(String(total).length)}/${total}`)
    expect(line).toContain('loss 12.3457')
  }
})

test('shows more where there is room', () => {
  expect(lineAt(40, 3, 150)).toBe('step   3/150  loss 12.3457  8 min left')
  expect(lineAt(80, 3, 150)).toBe('step   3/150  loss 12.3457  lr 1.25e-4  1276 tokens/s  8 min left')
})

test('shows the reward of a run that is trained by rewards', () => {
  let written = ''
  const { onEvent } = createProgress({
    loggingSteps: 1,
    terminal: false,
    columns: () => 80,
    write: (text) => (written += text),
  })
  void onEvent({ type: 'step', report: { ...report(3, 150), metrics: { reward: 0.5 } } })
  expect(written).toContain('loss 12.3457  reward 0.500  lr')
})

test('follows a terminal that changes its width', () => {
  let columns = 100
  const written: string[] = []
  const { onEvent } = createProgress({
    loggingSteps: 1,
    terminal: true,
    columns: () => columns,
    write: (text) => written.push(text),
  })
  void onEvent({ type: 'step', report: report(1, 150) })
  columns = 40
  void onEvent({ type: 'step', report: report(2, 150) })
  expect(written[1].startsWith('\r\u001b[K')).toBe(true)
  expect(written[1].length).toBeLessThan(40 + '\r\u001b[K'.length)
})

test('fitLine() takes the middle out of what is too long', () => {
  expect(fitLine(['downloading', 'model-00001-of-00004.safetensors', '45 %'], 40, { elide: 1 })).toBe(
    'downloading  model-0000…fetensors  45 %'.slice(0, 39),
  )
  for (let columns = 1; columns < 60; columns++)
    expect(fitLine(['downloading', 'x'.repeat(80), '45 %'], columns, { elide: 1 }).length).toBeLessThan(
      Math.max(2, columns),
    )
})
