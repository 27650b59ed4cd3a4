/**
 * What the report of a step takes: a run waits for it.
 */
import { tmpdir } from 'node:os'
import { run } from 'mitata'
import type { RunEvent } from 'tritune/core'
import { benchOp } from 'tritune/bench'
import { myMonitor } from '../src/mod.ts'

const numbers = { step: 1, totalSteps: 8, epoch: 0, loss: 2, learningRate: 1e-3, gradNorm: 1, seconds: 0.1 }
const report = { ...numbers, tokens: 128, trainedTokens: 127, memory: null, metrics: {} }
const event: RunEvent = { type: 'step', report }
benchOp('my-monitor: a step', {
  open: () => () =>
    myMonitor.create({ file: 'bench.csv' }, { outputDir: tmpdir(), loggingSteps: 1 }).onEvent(event),
})
await run()
