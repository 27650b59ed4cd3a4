/**
 * The contract of a monitor: `monitorContract(definition)` gives its checks.
 */
import type { Capabilities, Monitor, MonitorContext, RunEvent } from '../core/mod.ts'
import { Broken, check, type ContractCheck, expectKept, textOf } from './check.ts'
import { optionChecks, type OptionsToTry } from './contract-options.ts'
import { loadState, saveState } from './saved-state.ts'
import { temporaryFolder } from './temporary-folder.ts'

/** Options of `monitorContract()`: the monitor's, and what it makes. */
export interface MonitorContractOptions extends OptionsToTry {
  /** What it has made by the end of a run, for instance the text of a file in `outputDir`; a resumed run must have the same. */
  result?(outputDir: string): unknown
}

/**
 * Checks of what a monitor promises. Nothing runs before a check is run.
 *
 * @example
 * ```ts
 * import { defineOptions, type MonitorDefinition } from 'tritune/core'
 * import { monitorContract, runContract } from 'tritune/testing'
 *
 * const quiet: MonitorDefinition<object> = {
 *   name: 'quiet',
 *   options: defineOptions({}),
 *   create: () => ({ onEvent() {} }),
 * }
 * const { failed } = await runContract(monitorContract(quiet))
 * console.log(failed.length) // → 0
 * ```
 */
export function monitorContract(
  definition: Capabilities['monitor'],
  options: MonitorContractOptions = {},
): ContractCheck[] {
  const { name } = definition
  const maker: { create(options: unknown, context: MonitorContext): Monitor } = definition
  const make = (outputDir: string): Monitor =>
    maker.create(definition.options.validate(options.options ?? {}), { outputDir, loggingSteps: 1 })
  const onEvent = `onEvent() of ${name}`
  const { result } = options
  return [
    ...optionChecks(definition, options),
    check(`${name}: takes every event of a run, and returns at once`, async () => {
      using folder = temporaryFolder()
      const monitor = make(folder.path)
      for (const event of eventsOf(folder.path)) await deliver(monitor, event, onEvent)
      monitor[Symbol.dispose]?.()
    }),
    check(`${name}: takes a run that fails, and one that was asked to stop`, async () => {
      using folder = temporaryFolder()
      const start = startOf(folder.path)
      const failed = make(folder.path)
      const error: RunEvent = { type: 'error', code: 'E_NAN', message: 'the loss of step 1 is NaN' }
      for (const event of [start, error]) await deliver(failed, event, onEvent)
      failed[Symbol.dispose]?.()
      const stopped = make(folder.path)
      const end: RunEvent = {
        type: 'end',
        result: {
          steps: 0,
          stopped: true,
          loss: Number.NaN,
          best: null,
          outputDir: folder.path,
          checkpoint: null,
          pushed: null,
        },
      }
      for (const event of [start, end]) await deliver(stopped, event, onEvent)
      stopped[Symbol.dispose]?.()
    }),
    check(`${name}: leaves alone an event that it does not know`, async () => {
      using folder = temporaryFolder()
      const monitor = make(folder.path)
      const unknown: object = Object.freeze({ type: 'of a later version' })
      await deliver(monitor, unknown as RunEvent, onEvent)
      monitor[Symbol.dispose]?.()
    }),
    check(`${name}: a resumed run ends with what a whole one ends with`, async () => {
      const outcome = async (stop: number | null): Promise<unknown> => {
        using folder = temporaryFolder()
        const events = eventsOf(folder.path)
        let monitor = make(folder.path)
        for (const [i, event] of events.entries()) {
          if (i === stop) {
            const saved = saveState(name, monitor)
            monitor[Symbol.dispose]?.()
            monitor = make(folder.path)
            loadState(name, monitor, saved)
            await deliver(monitor, { ...startOf(folder.path), step: 2 }, onEvent)
          }
          await deliver(monitor, event, onEvent)
        }
        const state = saveState(name, monitor).json
        monitor[Symbol.dispose]?.()
        return { state, result: result?.(folder.path) }
      }
      // Paths of the folders differ.
      const plain = (value: unknown): string =>
        textOf(value).replaceAll(/\/[^"\s]*tritune-contract-\w+/g, '<folder>')
      const [whole, resumed] = [plain(await outcome(null)), plain(await outcome(RESUME_AT))]
      expectKept(resumed === whole, () => ({
        expected: whole,
        got: resumed,
        lookAt: `saveState() and loadState() of ${name}: everything that it counts`,
      }))
    }),
  ]
}

// ---- helpers ----------------------------------------------------------------------------------------------------

const TOTAL = 4
/** Events before the one at which the run was killed: start, two steps, an evaluation, a checkpoint. */
const RESUME_AT = 5

function startOf(outputDir: string): Extract<RunEvent, { type: 'start' }> {
  return {
    type: 'start',
    step: 0,
    totalSteps: TOTAL,
    outputDir,
    summary: ['base model  tiny', 'adapter  lora'],
  }
}

/** A run of four steps: one event of every kind at least. */
function eventsOf(outputDir: string): RunEvent[] {
  const step = (at: number): RunEvent => ({
    type: 'step',
    report: {
      step: at,
      totalSteps: TOTAL,
      epoch: at / TOTAL,
      loss: 3 / at,
      learningRate: 1e-3,
      gradNorm: at === 1 ? Number.NaN : 0.5,
      tokens: 64,
      trainedTokens: 48,
      seconds: 0.25 * at,
      memory: at === 2 ? { live: 1, pooled: 2, peak: 3, growth: 4 } : null,
      metrics: { grad_norm: 0.5 },
    },
  })
  return [
    startOf(outputDir),
    step(1),
    step(2),
    { type: 'eval', step: 2, loss: 1.25, perplexity: Math.exp(1.25), tokens: 100, best: true },
    { type: 'save', step: 2, folder: `${outputDir}/checkpoint-2` },
    { type: 'note', text: 'something worth saying' },
    { type: 'sample', step: 2, prompt: 'one two', completion: ' three' },
    {
      type: 'histograms',
      step: 2,
      histograms: [
        {
          step: 2,
          name: 'w',
          of: 'weight',
          edges: [0, 1],
          counts: [3],
          min: 0,
          max: 1,
          mean: 0.5,
          std: 0.4,
          odd: 0,
        },
      ],
    },
    { type: 'control', step: 2, id: 'a', action: 'save', ok: true },
    { type: 'control', step: 2, id: 'b', action: 'fly', ok: false, reason: 'there is no action "fly"' },
    {
      type: 'alert',
      step: 2,
      name: 'loss-spike',
      severity: 'warning',
      text: 'the loss is 2.1 times its mean',
    },
    {
      type: 'advice',
      step: 2,
      name: 'learning-rate',
      severity: 'info',
      text: 'halve it',
      learningRate: 5e-4,
    },
    step(3),
    step(4),
    {
      type: 'end',
      result: {
        steps: TOTAL,
        stopped: false,
        loss: 0.75,
        best: { loss: 1.25, step: 2 },
        outputDir,
        checkpoint: null,
        pushed: null,
      },
    },
  ]
}

/** Frozen: a monitor changes nothing. What it returns must be nothing, or a promise that is kept. */
async function deliver(monitor: Monitor, event: RunEvent, onEvent: string): Promise<void> {
  let returned: unknown
  try {
    returned = monitor.onEvent(frozen(event))
    await returned
  } catch (error) {
    throw new Broken({
      expected: `the event "${event.type}" is taken, and left as it is`,
      got: textOf(error),
      lookAt: `${onEvent}: one that throws is switched off; events are not to be changed; numbers may be NaN, memory null`,
      cause: error,
    })
  }
  expectKept(returned === undefined || returned instanceof Promise, () => ({
    expected: 'nothing is returned, or a promise',
    got: textOf(returned),
    lookAt: onEvent,
  }))
}

function frozen<T>(value: T): T {
  if (typeof value === 'object' && value !== null) {
    for (const inner of Object.values(value)) frozen(inner)
    Object.freeze(value)
  }
  return value
}
