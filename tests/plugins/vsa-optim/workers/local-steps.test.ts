/**
 * Local steps as a strategy: alone and dense it is the step as it is; with others all meet in the mean; interrupted is uninterrupted.
 */
import { describe, expect, test } from 'bun:test'
import {
  cast,
  parameter,
  type Parameters,
  type StepResult,
  tensor,
  type Tensor,
  tensorScope,
} from '../../../../core/mod.ts'
import {
  type Exchange,
  localSteps,
  type LocalStepsOptions,
  updateLayout,
  updateWorker,
} from '../../../../plugins/vsa-optim/mod.ts'
import { thrownBy } from '../_thrown.ts'
import { contextOf } from './_step-context.ts'

const SIZE = 40
const copied = (own: Uint8Array, all: Uint8Array): void => all.set(own)
const ALONE: Exchange = { rank: 0, size: 1, collect: copied, exchange: copied }
/** What a gather does not call. */
const exchange = (): never => {
  throw new Error('these messages go to all')
}

function weightsOf(value: number): Parameters {
  return new Map([['w', parameter(tensor(new Float32Array(SIZE).fill(value), { shape: [8, 5] }))]])
}

/** A tenth of the way to `goal`. */
function towards(parameters: Parameters, goal: number): StepResult {
  for (const weight of parameters.values()) weight.set(weight.toArray().map((x) => x + 0.1 * (goal - x)))
  return { loss: 1, metrics: { grad_norm: 2 } }
}

describe('alone', () => {
  test('dense and with a round each step: the step as it is, to the bit', () => {
    using _scope = tensorScope()
    const [own, plain] = [weightsOf(1 / 3), weightsOf(1 / 3)]
    using strategy = localSteps({ codec: 'dense', every: 1 }, { parameters: own, seed: 1 }, ALONE)
    for (let step = 0; step < 6; step++) {
      const result = strategy.step(contextOf(step, 6, own), () => towards(own, 2))
      towards(plain, 2)
      expect(own.get('w')?.toArray()).toEqual(plain.get('w')?.toArray() ?? new Float32Array(0))
      expect(result).toMatchObject({ loss: 1, metrics: { grad_norm: 2, update_kept: 1, update_backlog: 0 } })
    }
  })
  test('between rounds nothing is sent and nothing is told', () => {
    using _scope = tensorScope()
    const own = weightsOf(0)
    let calls = 0
    const exchange: Exchange = { ...ALONE, collect: (from, all) => (calls++, all.set(from)) }
    using strategy = localSteps({ codec: 'ternary', every: 4 }, { parameters: own, seed: 1 }, exchange)
    const metrics = Array.from({ length: 10 }, (_, step) =>
      Object.keys(strategy.step(contextOf(step, 10, own), () => towards(own, 1)).metrics),
    )
    // After steps 1, 4, 8 and 10, and once more to compare.
    expect(calls).toBe(5)
    expect(metrics.map(({ length }) => length > 1)).toEqual(
      [0, 3, 7, 9].reduce<boolean[]>(
        (all, at) => all.with(at, true),
        Array.from({ length: 10 }, () => false),
      ),
    )
  })
  test('with a momentum of rounds it is Nesterov’s, of where the steps went', () => {
    using _scope = tensorScope()
    const own = weightsOf(1)
    const options: LocalStepsOptions = { codec: 'dense', every: 1, rate: 0.7, momentum: 0.9 }
    using strategy = localSteps(options, { parameters: own, seed: 1 }, ALONE)
    let [shared, velocity] = [1, 0]
    for (let step = 0; step < 6; step++) {
      strategy.step(contextOf(step, 6, own), () => towards(own, 2))
      const way = shared - (shared + 0.1 * (2 - shared))
      velocity = 0.9 * velocity + way
      shared -= 0.7 * (way + 0.9 * velocity)
      for (const x of own.get('w')?.toArray() ?? []) expect(x).toBeCloseTo(shared, 5)
    }
    expect(shared).toBeGreaterThan(1.6)
  })
  test('interrupted is uninterrupted', () => {
    using _scope = tensorScope()
    const run = (
      parameters: Parameters,
      strategy: ReturnType<typeof localSteps>,
      from: number,
      to: number,
    ): void => {
      for (let step = from; step < to; step++)
        strategy.step(contextOf(step, 12, parameters), () => towards(parameters, step))
    }
    const options: LocalStepsOptions = { codec: 'topk-sign', ratio: 0.1, every: 2, rate: 0.7, momentum: 0.9 }
    const [whole, half, resumed] = [weightsOf(0), weightsOf(0), weightsOf(7)]
    using first = localSteps(options, { parameters: whole, seed: 1 }, ALONE)
    using second = localSteps(options, { parameters: half, seed: 1 }, ALONE)
    run(whole, first, 0, 9)
    run(half, second, 0, 5)
    copy(half, resumed)
    using third = localSteps(options, { parameters: resumed, seed: 1 }, ALONE)
    copy(second.tensors(), third.tensors())
    third.loadState(JSON.parse(JSON.stringify(second.saveState())))
    run(resumed, third, 5, 9)
    expect(resumed.get('w')?.toArray()).toEqual(whole.get('w')?.toArray() ?? new Float32Array(0))
  })
})

test('two workers meet in the mean of where they went', () => {
  using _scope = tensorScope()
  const parameters = weightsOf(0)
  // The other one went from 0 to 0.3.
  using other = updateWorker({
    layout: updateLayout(parameters),
    worker: 1,
    workers: 2,
    codec: 'int8',
    seed: 1,
  })
  const message = other.send(new Float32Array(SIZE).fill(-0.3), 'dense')
  const others: Exchange = {
    rank: 0,
    size: 2,
    exchange,
    collect(own, all) {
      all.set(own)
      all.set(message, own.length)
    },
  }
  using strategy = localSteps({ codec: 'int8' }, { parameters, seed: 1 }, others)
  const { metrics } = strategy.step(contextOf(0, 9, parameters), () => towards(parameters, 1))
  for (const x of parameters.get('w')?.toArray() ?? []) expect(x).toBeCloseTo(0.2, 3)
  expect(metrics['received_bytes']).toBe(message.length)
})

describe('refused', () => {
  test('a worker that has come to other weights', () => {
    using _scope = tensorScope()
    const parameters = weightsOf(0)
    using other = updateWorker({
      layout: updateLayout(parameters),
      worker: 1,
      workers: 2,
      codec: 'int8',
      seed: 1,
    })
    const message = other.send(new Float32Array(SIZE), 'last')
    const others: Exchange = {
      rank: 0,
      size: 2,
      exchange,
      collect(own, all) {
        all.set(own)
        // A bit of its hash is another.
        all.set(own.length === 4 ? own.with(2, own[2] ^ 1) : message, own.length)
      },
    }
    using strategy = localSteps({ codec: 'int8' }, { parameters, seed: 1 }, others)
    expect(thrownBy(() => strategy.step(contextOf(0, 1, parameters), () => towards(parameters, 1)))).toEqual([
      'E_PEER',
      'worker 1 has other weights than worker 0 after step 1',
    ])
  })
  test('weights that are not f32', () => {
    using _scope = tensorScope()
    const parameters = new Map([['w', cast(tensor([1, 2]), 'bf16')]])
    expect(thrownBy(() => localSteps({ codec: 'int8' }, { parameters, seed: 1 }, ALONE))).toEqual([
      'E_DTYPE',
      'local steps are for f32 weights, w is bf16',
    ])
  })
  test('checkpoints of other rounds or workers', () => {
    using _scope = tensorScope()
    const parameters = weightsOf(0)
    using one = localSteps({ codec: 'int8', every: 4 }, { parameters, seed: 1 }, ALONE)
    using other = localSteps({ codec: 'int8', every: 5 }, { parameters, seed: 1 }, ALONE)
    using two = localSteps({ codec: 'int8', every: 4 }, { parameters, seed: 1 }, { ...ALONE, size: 2 })
    expect(thrownBy(() => other.loadState(one.saveState()))[1]).toBe(
      'the checkpoint has rounds of 4 steps, this run of 5',
    )
    expect(thrownBy(() => two.loadState(one.saveState()))[1]).toBe(
      'the checkpoint is of workers 1, this is workers 2',
    )
  })
})

function copy(from: ReadonlyMap<string, Tensor>, to: ReadonlyMap<string, Tensor>): void {
  for (const [name, tensor] of from) to.get(name)?.set(tensor.toArray())
}
