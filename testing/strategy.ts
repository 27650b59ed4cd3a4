/**
 * The contract of a strategy: `strategyContract(definition)` gives its checks.
 */
import {
  adamw,
  type Capabilities,
  chain,
  clipByGlobalNorm,
  countLiveTensors,
  referenceDevice,
  type StepResult,
  type Strategy,
  type StrategyRun,
} from '../core/mod.ts'
import { checkMetricNames, stepParts, trainStep } from '../plugins/finetune/mod.ts'
import { lora } from '../plugins/peft/mod.ts'
import { openRig, optimizerOf, type RigOptions } from './adapter-rig.ts'
import { Broken, check, type ContractCheck, expectKept, textOf } from './check.ts'
import { expectSameBits, snapshot } from './compare.ts'
import { optionChecks, type OptionsToTry } from './contract-options.ts'
import { quickDevice } from './devices.ts'
import { expectNothingLeft } from './leaks.ts'
import { setTensorBytes } from '../core/tensor/tensor-bytes.ts'
import { loadState, type SavedState, saveState } from './saved-state.ts'
import { TINY_BATCHES } from './tiny-model.ts'

/** Options of `strategyContract()`: the strategy's, and whether it ever leaves the step as it is. */
export interface StrategyContractOptions extends OptionsToTry {
  /** It calls `next()` in some of the first steps; false: it makes its own step of the parts in all of them. Default: true. */
  readonly callsNext?: boolean
  /** Default: 0.05. */
  readonly learningRate?: number
}

/**
 * Checks of what a strategy promises. Nothing runs before a check is run.
 *
 * @example
 * ```ts
 * import { defineOptions, type StrategyDefinition } from 'tritune/core'
 * import { runContract, strategyContract } from 'tritune/testing'
 *
 * const plain: StrategyDefinition<object> = {
 *   name: 'plain',
 *   options: defineOptions({}),
 *   create: () => ({ step: (_context, next) => next() }),
 * }
 * const { failed } = await runContract(strategyContract(plain))
 * console.log(failed.length) // → 0
 * ```
 */
export function strategyContract(
  definition: Capabilities['strategy'],
  options: StrategyContractOptions = {},
): ContractCheck[] {
  const { callsNext = true, learningRate = 0.05 } = options
  const { name } = definition
  const device = quickDevice(referenceDevice)
  const maker: { create(options: unknown, run: StrategyRun): Strategy } = definition
  const step = `step() of ${name}`

  /** Steps on a fresh model, from where another run stopped if that is given. */
  function run({ to, resume, failing }: RunOptions): Outcome {
    using rig = openRig(RIG, { device })
    using optimizer = optimizerOf(rig.adapter, chain(clipByGlobalNorm(1), adamw()))
    const { model, adapter } = rig
    const { parameters } = adapter
    const strategy = maker.create(definition.options.validate(options.options ?? {}), {
      model,
      parameters,
      totalSteps: STEPS,
      seed: 0,
    })
    using _closed = { [Symbol.dispose]: () => strategy[Symbol.dispose]?.() }
    if (resume) {
      for (const [file, tensor] of parameters) {
        const bytes = resume.weights.get(file)
        if (bytes) setTensorBytes(tensor, bytes)
      }
      loadState('the optimizer', optimizer, resume.optimizer)
      loadState(name, strategy, resume.strategy)
    }
    const context = { model, device, parameters, optimizer, checkpointing: false, seed: 0 }
    const results: StepResult[] = []
    let called = 0
    let alive = 0
    let grown = 0
    for (let at = resume?.step ?? 0; at < to; at++) {
      const which = { step: at, learningRate, checks: [] }
      const next = (): StepResult => {
        called++
        if (failing) throw failing
        return trainStep(context, TINY_BATCHES, which)
      }
      const parts = stepParts(context, TINY_BATCHES, which, STEPS)
      const result: unknown = strategy.step(parts, next)
      results.push(expectResult(result, step))
      if (at > 1) grown = Math.max(grown, countLiveTensors() - alive)
      alive = countLiveTensors()
    }
    return {
      step: to,
      results,
      called,
      grown,
      weights: snapshot(parameters),
      optimizer: saveState('the optimizer', optimizer),
      strategy: saveState(name, strategy),
    }
  }

  return [
    ...optionChecks(definition, options),
    check(`${name}: a step gives its loss and numbers under names of their own`, () => {
      for (const { metrics } of run({ to: STEPS }).results) checkMetricNames(metrics)
    }),
    check(
      callsNext ? `${name}: calls next, and passes on what it reports` : `${name}: makes its own step`,
      () => {
        const { called, results } = run({ to: STEPS })
        expectKept(called > 0 === callsNext, () => ({
          expected: callsNext
            ? 'next() is called in some steps'
            : 'next() is never called (callsNext: false was said)',
          got: `${called} calls in ${STEPS} steps`,
          lookAt: step,
        }))
        const reported = results.filter(({ metrics }) => Number.isFinite(metrics.grad_norm)).length
        expectKept(!callsNext || reported > 0, () => ({
          expected: 'grad_norm among the metrics of steps that called next()',
          got: textOf(results[0]?.metrics),
          lookAt: `${step}: return next(), or { ...result, metrics: { ...result.metrics, mine: 1 } }`,
        }))
      },
    ),
    check(`${name}: trains`, () => {
      const start = run({ to: 0 }).weights
      const { weights } = run({ to: STEPS })
      const moved = [...weights].some(([file, bytes]) =>
        bytes.some((byte, i) => byte !== start.get(file)?.[i]),
      )
      expectKept(moved, () => ({
        expected: `other weights after ${STEPS} steps`,
        got: 'those from the start',
        lookAt: `${step}: neither next() nor update() ever runs`,
      }))
    }),
    check(`${name}: what fails inside of next() comes through`, () => {
      if (!callsNext) return
      const failing = new Error('from inside of next()')
      try {
        run({ to: STEPS, failing })
      } catch (error) {
        if (error === failing) return
        throw error
      }
      throw new Broken({
        expected: 'the error of next() is thrown on',
        got: 'no error',
        lookAt: `${step}: a catch that keeps an error to itself hides NaN and a full GPU`,
      })
    }),
    check(`${name}: resumes to the same bits`, () => {
      const whole = run({ to: STEPS })
      const resumed = run({ to: STEPS, resume: run({ to: HALF }) })
      const lookAt = `saveState(), loadState() and tensors() of ${name}: everything that a later step goes by`
      expectSameBits(`after ${STEPS} steps`, resumed.weights, whole.weights, lookAt)
      const [got, expected] = [resumed.results, whole.results.slice(HALF)].map(textOf)
      expectKept(got === expected, () => ({ expected, got, lookAt }))
    }),
    check(`${name}: leaves nothing behind`, () => {
      const lookAt = `${step} and [Symbol.dispose]() of ${name}: \`using _scope = tensorScope()\` around temporaries`
      expectNothingLeft(device, lookAt, () => {
        const { grown } = run({ to: STEPS })
        expectKept(grown === 0, () => ({
          expected: 'as many tensors after a step as before it',
          got: `${grown} more`,
          lookAt,
        }))
      })
    }),
  ]
}

// ---- helpers ----------------------------------------------------------------------------------------------------

const STEPS = 8
const HALF = 4

const RIG: RigOptions = {
  definition: lora,
  options: { rank: 2 },
  targetModules: ['q_proj', 'v_proj'],
  learningRate: 0.05,
}

interface RunOptions {
  readonly to: number
  readonly resume?: Outcome
  readonly failing?: Error
}

interface Outcome {
  readonly step: number
  readonly results: readonly StepResult[]
  readonly called: number
  /** Most tensors that a step left. */
  readonly grown: number
  readonly weights: ReadonlyMap<string, Uint8Array>
  readonly optimizer: SavedState
  readonly strategy: SavedState
}

function expectResult(result: unknown, lookAt: string): StepResult {
  expectKept(!(result instanceof Promise), () => ({
    expected: 'a step is synchronous',
    got: 'a promise',
    lookAt: `${lookAt}: it lies inside tensor scopes and cannot await`,
  }))
  const { loss, metrics } = Object(result)
  const isNumbers =
    typeof metrics === 'object' && metrics !== null && Object.values(metrics).every(Number.isFinite)
  expectKept(Number.isFinite(loss) && isNumbers, () => ({
    expected: '{ loss, metrics }, all of it finite numbers',
    got: textOf(result),
    lookAt: `${lookAt}: return next() for a full step`,
  }))
  return { loss, metrics }
}
