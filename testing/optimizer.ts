/**
 * The contracts of what stands in a gradient chain: `optimizerContract` for what moves the weights, `transformContract` for the
 * links before it.
 */
import {
  type Capabilities,
  type Device,
  referenceDevice,
  type Tensor,
  withEvaluationWeights,
} from '../core/mod.ts'
import { checkMetricNames } from '../plugins/finetune/mod.ts'
import { type ChainOptions, makeTransform, openChain, type StepOptions, UNUSED } from './chain-rig.ts'
import { check, type ContractCheck, expectKept, textOf } from './check.ts'
import { expectClose, expectSameBits, snapshot } from './compare.ts'
import { optionChecks, type OptionsToTry } from './contract-options.ts'
import { type ContractDevice, NATIVE_DEVICES, onDevices, quickDevice } from './devices.ts'
import { expectNothingLeft } from './leaks.ts'
import { loadState, saveState } from './saved-state.ts'

/** Options of `optimizerContract()` and `transformContract()`. */
export interface OptimizerContractOptions extends OptionsToTry {
  /** With which it comes nearer to the minimum of a parabola in 60 steps; default: 0.05. Not for transforms. */
  readonly learningRate?: number
  /** Where its results are compared with the reference; default: the CPU, emulated CUDA. */
  readonly devices?: readonly ContractDevice[]
}

/**
 * Checks of what an optimizer promises. Nothing runs before a check is run.
 *
 * @example
 * ```ts
 * import { training } from 'tritune/plugins/finetune'
 * import { optimizerContract, runContract } from 'tritune/testing'
 *
 * const { failed, text } = await runContract(optimizerContract(training.provides.optimizer.adamw, { devices: [] }))
 * console.log(failed.length === 0 ? 'kept' : text) // → kept
 * ```
 */
export function optimizerContract(
  definition: Capabilities['optimizer'],
  options: OptimizerContractOptions = {},
): ContractCheck[] {
  const { learningRate = 0.05 } = options
  const { name } = definition
  const device = quickDevice(referenceDevice)
  const make = (): ReturnType<typeof makeTransform> => makeTransform(definition, options.options)
  return [
    ...chainChecks(definition, options, movesOf),
    check(`${name}: comes nearer to the minimum`, () => {
      using rig = openChain(make(), { device })
      const away = (): number =>
        [...rig.weights].reduce(
          (sum, [weight, tensor]) =>
            weight === UNUSED ? sum : tensor.toArray().reduce((all, value) => all + (value - 3) ** 2, sum),
          0,
        )
      const before = away()
      for (let at = 0; at < 60; at++)
        rig.step(at, { learningRate, gradientOf: (_weight, values) => values.map((value) => value - 3) })
      expectKept(away() < before, () => ({
        expected: `Σ(w − 3)² below ${before} after 60 steps of its gradient with a learning rate of ${learningRate}`,
        got: String(away()),
        lookAt: `apply() of ${name}: the sign of the update, and the learningRate that optimizerContract was given`,
      }))
    }),
    check(`${name}: with a learning rate of 0 nothing moves`, () => {
      using rig = openChain(make(), { device })
      const before = snapshot(rig.weights)
      for (let at = 0; at < 2; at++) rig.step(at, { learningRate: 0 })
      expectSameBits(
        'the weights',
        snapshot(rig.weights),
        before,
        `apply() of ${name}: step.learningRate is a factor of all`,
      )
    }),
    check(`${name}: a weight can have a learning rate of its own`, () => {
      const half = movesOf(definition, options, { device }, { learningRate: learningRate / 2 })
      const own = movesOf(definition, options, { device }, { learningRate, lrScale: () => 0.5 })
      for (const [weight, values] of half)
        expectClose(
          `${weight}: a factor of 0.5 on its learning rate`,
          own.get(weight) ?? new Float32Array(),
          values,
          {
            tolerance: 1e-5,
            lookAt: `apply() of ${name}: learningRateOf(step, name) instead of step.learningRate`,
          },
        )
    }),
    check(`${name}: an evaluation between steps changes nothing`, () => {
      using rig = openChain(make(), { device })
      using other = openChain(make(), { device })
      for (let at = 0; at < STEPS; at++) {
        rig.step(at, { learningRate })
        other.step(at, { learningRate })
        const before = snapshot(rig.weights)
        withEvaluationWeights(rig.state, () => undefined)
        expectSameBits(
          'the weights after an evaluation',
          snapshot(rig.weights),
          before,
          `leaveEvaluation() of ${name}: it puts back the bits, it does not compute them again`,
        )
      }
      expectSameBits(
        'the weights',
        snapshot(rig.weights),
        snapshot(other.weights),
        `enterEvaluation() of ${name}`,
      )
    }),
    check(`${name}: moves bf16 weights, and leaves them bf16`, () => {
      using rig = openChain(make(), { device, dtype: 'bf16' })
      const before = rig.weights.get('layers.0.b')?.toArray() ?? []
      for (let at = 0; at < 3; at++) rig.step(at, { learningRate })
      for (const [weight, tensor] of rig.weights) {
        const isFine = tensor.dtype === 'bf16' && tensor.toArray().every((value) => Number.isFinite(value))
        expectKept(isFine, () => ({
          expected: `${weight} stays bf16 and finite`,
          got: `${tensor.dtype}: ${textOf(Array.from(tensor.toArray().subarray(0, 4)))} …`,
          lookAt: `apply() of ${name}: gradients and states are f32, weights may be bf16`,
        }))
      }
      const after = rig.weights.get('layers.0.b')?.toArray() ?? new Float32Array()
      expectKept(
        after.some((value, i) => value !== before[i]),
        () => ({
          expected: 'other weights than before',
          got: 'the same',
          lookAt: `apply() of ${name}: an update that is lost in the rounding of bf16 needs an f32 copy of the weight`,
        }),
      )
    }),
  ]
}

/** Checks of what a gradient transform promises. Nothing runs before a check is run. */
export function transformContract(
  definition: Capabilities['transform'],
  options: Omit<OptimizerContractOptions, 'learningRate'> = {},
): ContractCheck[] {
  const { name } = definition
  const device = quickDevice(referenceDevice)
  return [
    ...chainChecks(definition, options, effectOf),
    check(`${name}: leaves the weights to the optimizer`, () => {
      using rig = openChain(makeTransform(definition, options.options), { device })
      const before = snapshot(rig.weights)
      for (let at = 0; at < 3; at++) rig.step(at)
      expectSameBits(
        'the weights',
        snapshot(rig.weights),
        before,
        `apply() of ${name}: change weight.grad or step.gradScale`,
      )
    }),
  ]
}

// ---- helpers ----------------------------------------------------------------------------------------------------

const STEPS = 4
const HALF = 2

/** What a link does, as numbers: how the weights moved, or what the gradients became. */
type Effect = (
  definition: Capabilities['optimizer'],
  options: OptionsToTry,
  chain: ChainOptions,
  step?: StepOptions,
) => Map<string, Float32Array>

const movesOf: Effect = (definition, { options }, chain, step = {}) => {
  using rig = openChain(makeTransform(definition, options), chain)
  const before = new Map([...rig.weights].map(([name, weight]) => [name, weight.toArray()]))
  for (let at = 0; at < STEPS; at++) rig.step(at, step)
  return new Map(
    [...rig.weights].map(([name, weight]) => [
      name,
      weight.toArray().map((value, i) => value - (before.get(name)?.[i] ?? 0)),
    ]),
  )
}

const effectOf: Effect = (definition, { options }, chain, step = {}) => {
  using rig = openChain(makeTransform(definition, options), chain)
  let last = rig.step(0, step)
  for (let at = 1; at < STEPS; at++) last = rig.step(at, step)
  return rig.effective(last)
}

function chainChecks(
  definition: Capabilities['optimizer'],
  options: OptimizerContractOptions,
  effect: Effect,
): ContractCheck[] {
  const { devices = NATIVE_DEVICES } = options
  const { name } = definition
  const device = quickDevice(referenceDevice)
  const apply = `apply() of ${name}`
  const make = (): ReturnType<typeof makeTransform> => makeTransform(definition, options.options)
  const compare = (
    what: string,
    got: ReadonlyMap<string, Float32Array>,
    expected: ReadonlyMap<string, Float32Array>,
    { tolerance, lookAt }: { readonly tolerance: number; readonly lookAt: string },
  ): void => {
    for (const [weight, values] of expected)
      expectClose(`${weight}: ${what}`, got.get(weight) ?? new Float32Array(), values, { tolerance, lookAt })
  }
  return [
    ...optionChecks(definition, options),
    check(`${name}: gradScale is a factor of the gradients`, () =>
      compare(
        'what half of the gradients gives',
        effect(definition, options, { device }, { gradScale: 0.5 }),
        effect(definition, options, { device }, { factor: 0.5 }),
        { tolerance: 1e-4, lookAt: `${apply}: multiply by step.gradScale, which clipping has set` },
      ),
    ),
    check(`${name}: gives the same with all gradients in one tensor`, () =>
      compare(
        'what separate gradients give',
        effect(definition, options, { device, flat: true }),
        effect(definition, options, { device }),
        {
          tolerance: 1e-5,
          lookAt: `${apply}: step.gradients has all of them, also where weight.grad was replaced`,
        },
      ),
    ),
    check(`${name}: a weight without a gradient stays`, () => {
      using rig = openChain(make(), { device })
      const before = snapshot(new Map([...rig.weights].filter(([weight]) => weight === UNUSED)))
      for (let at = 0; at < 2; at++) rig.step(at)
      const after = snapshot(new Map([...rig.weights].filter(([weight]) => weight === UNUSED)))
      expectSameBits('the weight', after, before, `${apply}: skip where weight.grad is null`)
    }),
    check(`${name}: what it reports are numbers under names of its own`, () => {
      using rig = openChain(make(), { device })
      const { metrics, gradScale } = rig.step(0)
      checkMetricNames(metrics)
      const wrong = Object.entries({ ...metrics, gradScale }).find(([, value]) => !Number.isFinite(value))
      expectKept(wrong === undefined, () => ({
        expected: 'finite numbers',
        got: textOf(wrong),
        lookAt: `${apply}: step.metrics and step.gradScale`,
      }))
    }),
    check(`${name}: two runs of one do not know of each other`, () => {
      const transform = make()
      const results = [0, 1].map(() => {
        using rig = openChain(transform, { device })
        let last = rig.step(0)
        for (let at = 1; at < STEPS; at++) last = rig.step(at)
        return new Map([...snapshot(rig.weights), ...snapshotOf(rig.effective(last))])
      })
      expectSameBits(
        'the second run',
        results[1],
        results[0],
        `init() of ${name}: state belongs into init(), not beside it; nothing random`,
      )
    }),
    check(`${name}: resumes to the same bits`, () => {
      const finish = (rig: ReturnType<typeof openChain>, from: number): Map<string, Uint8Array> => {
        let last = rig.step(from)
        for (let at = from + 1; at < STEPS; at++) last = rig.step(at)
        return new Map([...snapshot(rig.weights), ...snapshotOf(rig.effective(last))])
      }
      using whole = openChain(make(), { device })
      const expected = finish(whole, 0)
      using first = openChain(make(), { device })
      for (let at = 0; at < HALF; at++) first.step(at)
      const saved = saveState(name, first.state)
      using second = openChain(make(), { device })
      for (const [weight, tensor] of second.weights) copyInto(tensor, first.weights.get(weight))
      loadState(name, second.state, saved)
      expectSameBits(
        `after ${STEPS} steps, of which ${STEPS - HALF} after a resume`,
        finish(second, HALF),
        expected,
        `tensors() and saveState() of ${name}: everything that a later step needs`,
      )
    }),
    check(`${name}: leaves nothing behind`, () => {
      expectNothingLeft(device, `[Symbol.dispose]() of the state of ${name}`, () => {
        using rig = openChain(make(), { device })
        rig.step(0)
        expectNothingLeft(device, `${apply}: \`using _scope = tensorScope()\` around temporaries`, () => {
          rig.step(1)
        })
      })
    }),
    ...onDevices(devices, `${name}: gives what the reference gives`, (other: Device) =>
      compare(
        'what the reference gives',
        effect(definition, options, { device: other }),
        effect(definition, options, { device: referenceDevice }),
        { tolerance: 1e-3, lookAt: `${apply} and init(): the device of the weight, no memory of the host` },
      ),
    ),
  ]
}

function snapshotOf(values: ReadonlyMap<string, Float32Array>): [string, Uint8Array][] {
  return [...values].map(([name, { buffer, byteOffset, byteLength }]) => [
    `gradient of ${name}`,
    new Uint8Array(buffer, byteOffset, byteLength),
  ])
}

function copyInto(target: Tensor, source: Tensor | undefined): void {
  if (source) target.set(source.toArray())
}
