/**
 * The contract of a sampler: `samplerContract(definition)` gives its checks.
 */
import {
  type Capabilities,
  createRandom,
  type Sampler,
  type SamplerContext,
  type StepReport,
} from '../core/mod.ts'
import { check, type ContractCheck, expectKept, textOf } from './check.ts'
import { optionChecks, type OptionsToTry } from './contract-options.ts'
import { loadState, saveState } from './saved-state.ts'

/** Options of `samplerContract()`: those of the sampler. */
export type SamplerContractOptions = OptionsToTry

/**
 * Checks of what a sampler promises. Nothing runs before a check is run.
 *
 * @example
 * ```ts
 * import { defineOptions, type SamplerDefinition } from 'tritune/core'
 * import { runContract, samplerContract } from 'tritune/testing'
 *
 * const asTheyCome: SamplerDefinition<object> = {
 *   name: 'as-they-come',
 *   options: defineOptions({}),
 *   create: (_options, { lengths }) => ({ order: () => Int32Array.from(lengths.keys()) }),
 * }
 * const { failed } = await runContract(samplerContract(asTheyCome))
 * console.log(failed.length) // → 0
 * ```
 */
export function samplerContract(
  definition: Capabilities['sampler'],
  options: SamplerContractOptions = {},
): ContractCheck[] {
  const { name } = definition
  const maker: { create(options: unknown, context: SamplerContext): Sampler } = definition
  const make = (count: number, seed = 3): Sampler =>
    maker.create(definition.options.validate(options.options ?? {}), {
      lengths: Object.freeze(lengthsOf(count)),
      seed,
    })
  const order = `order() of ${name}`
  return [
    ...optionChecks(definition, options),
    ...COUNTS.map((count) =>
      check(`${name}: every one of ${count} examples comes once in each epoch`, () => {
        const sampler = make(count)
        for (let epoch = 0; epoch < EPOCHS; epoch++) expectPermutation(sampler.order(epoch), count, order)
        sampler[Symbol.dispose]?.()
      }),
    ),
    check(`${name}: the same seed gives the same orders, however often they are asked for`, () => {
      const [one, other] = [make(COUNTS[0]), make(COUNTS[0])]
      for (let epoch = 0; epoch < EPOCHS; epoch++) {
        const expected = text(one.order(epoch))
        for (const again of [one, other])
          expectKept(text(again.order(epoch)) === expected, () => ({
            expected: `epoch ${epoch}: ${expected}`,
            got: text(again.order(epoch)),
            lookAt: `${order}: createRandom(seed, …) of seed and epoch instead of Math.random(), and a new array each time`,
          }))
      }
      one[Symbol.dispose]?.()
      other[Symbol.dispose]?.()
    }),
    check(`${name}: what it gave is the caller's`, () => {
      const sampler = make(COUNTS[0])
      const first = sampler.order(0)
      const expected = text(first)
      first.fill(0)
      expectKept(text(sampler.order(0)) === expected, () => ({
        expected,
        got: text(sampler.order(0)),
        lookAt: `${order}: give a new array each time`,
      }))
      sampler[Symbol.dispose]?.()
    }),
    check(`${name}: a resumed run goes on in the same order`, () => {
      const [count] = COUNTS
      const go = (sampler: Sampler, from: number, to: number): void => {
        for (let step = from; step < to; step++) sampler.onStep?.(reportOf(step))
      }
      const whole = make(count)
      whole.order(0)
      go(whole, 0, 6)
      const expected = [text(whole.order(0)), text(whole.order(1))]
      const first = make(count)
      first.order(0)
      go(first, 0, 3)
      const resumed = make(count)
      loadState(name, resumed, saveState(name, first))
      resumed.order(0)
      go(resumed, 3, 6)
      const got = [text(resumed.order(0)), text(resumed.order(1))]
      expectKept(textOf(got) === textOf(expected), () => ({
        expected: textOf(expected),
        got: textOf(got),
        lookAt: `saveState() and loadState() of ${name}, or the order of an epoch that has begun changes with onStep()`,
      }))
      for (const sampler of [whole, first, resumed]) sampler[Symbol.dispose]?.()
    }),
  ]
}

// ---- helpers ----------------------------------------------------------------------------------------------------

const COUNTS = [13, 1, 64]
const EPOCHS = 3

function lengthsOf(count: number): number[] {
  const random = createRandom(9, 'lengths')
  return Array.from({ length: count }, () => 1 + random.int(40))
}

function expectPermutation(order: unknown, count: number, lookAt: string): void {
  expectKept(order instanceof Int32Array, () => ({ expected: 'an Int32Array', got: textOf(order), lookAt }))
  const seen = new Set(order instanceof Int32Array ? order : [])
  const all = order instanceof Int32Array ? order.length : 0
  const isWhole = all === count && seen.size === count && [...seen].every((at) => at >= 0 && at < count)
  expectKept(isWhole, () => ({
    expected: `each of 0 … ${count - 1} once`,
    got: order instanceof Int32Array ? `${all} entries: ${text(order)}` : textOf(order),
    lookAt,
  }))
}

function reportOf(step: number): StepReport {
  return {
    step: step + 1,
    totalSteps: 6,
    epoch: 0,
    loss: 2 / (step + 1),
    learningRate: 1e-3,
    gradNorm: 1,
    tokens: 32,
    trainedTokens: 32,
    seconds: 0.1,
    memory: null,
    metrics: {},
  }
}

function text(order: Int32Array): string {
  return [...order].join(' ')
}
