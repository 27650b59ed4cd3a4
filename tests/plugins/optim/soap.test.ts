/**
 * SOAP against an f64 implementation from the paper (tests/oracle/soap.py), and what the reference does not have: gradients of zeros,
 * stacks of matrices, parameters that join later.
 */
import { describe, expect, test } from 'bun:test'
import {
  adamw,
  parameter,
  type Parameters,
  referenceDevice,
  type Shape,
  sizeOf,
  tensor,
  type Tensor,
  tensorScope,
  type TransformState,
} from '../../../core/mod.ts'
import { openCpuOrReference } from '../../../plugins/cpu/mod.ts'
import { soap, type SoapOptions } from '../../../plugins/optim/mod.ts'
import { soapDefinition } from '../../../plugins/optim/soap.ts'
import { goldenJson, relativeError } from '../../_golden.ts'

interface Case {
  readonly name: string
  readonly shape: [number, number]
  readonly options: {
    readonly betas?: readonly [number, number]
    readonly shampoo_beta?: number
    readonly weight_decay?: number
    readonly precondition_frequency?: number
    readonly eps?: number
    readonly correct_bias?: boolean
  }
  readonly steps: readonly { readonly step: number; readonly weight: readonly number[] }[]
  readonly state: Readonly<Record<string, readonly number[]>>
}

const golden = goldenJson<{ readonly lr: number; readonly cases: readonly Case[] }>('ops', 'soap.json')
const STEPS = 30

const DEVICES = [referenceDevice, openCpuOrReference({ threads: 2 }).device].map(
  (device) => [device.name, device] as const,
)

describe.each(DEVICES)('%s', (_, device) => {
  test.each(golden.cases.map((one) => [one.name, one] as const))(
    '%s',
    (_name, { shape, options, steps, state }) => {
      using _scope = tensorScope()
      const weight = parameter(tensor(numbers(shape, 0), { shape, device }))
      using soaped = soap({
        beta1: options.betas?.[0],
        beta2: options.betas?.[1],
        shampooBeta: options.shampoo_beta,
        weightDecay: options.weight_decay,
        preconditionFrequency: options.precondition_frequency,
        eps: options.eps,
        correctBias: options.correct_bias,
      }).init(new Map([['w', weight]]))
      for (let step = 1; step <= STEPS; step++) {
        // Twice the gradient, which gradScale halves.
        setGradient(
          weight,
          numbers(shape, step).map((value) => 2 * value),
        )
        soaped.apply({ step, learningRate: golden.lr, gradScale: 0.5, metrics: {} })
        const expected = steps.find((one) => one.step === step)
        if (expected)
          expect(relativeError(weight.toArray(), expected.weight), `step ${step}`).toBeLessThan(1e-5)
      }
      const sizes: Readonly<Record<string, string>> = {
        m: 'm_size',
        q_left: 'q_left_size',
        q_right: 'q_right_size',
      }
      for (const [name, values] of soaped.tensors()) {
        const part = name.split('.')[0]
        const got = part in sizes ? values.toArray().map(Math.abs) : values.toArray()
        expect(relativeError(got, state[sizes[part] ?? part]), name).toBeLessThan(1e-4)
      }
    },
  )
})

describe('what has a basis', () => {
  const partsOf = (shape: Shape, options: SoapOptions = {}): string[] => {
    using _scope = tensorScope()
    using state = soap(options).init(weightsOf({ w: shape, beside: [2, 2] }))
    return [...state.tensors().keys()].flatMap((name) => (name.endsWith('.w') ? [name.split('.')[0]] : []))
  }

  test('the short side of a long matrix, both of others, what is short enough; else AdamW', () => {
    expect(partsOf([16, 576])).toEqual(['m', 'v', 'gg_left', 'q_left'])
    expect(partsOf([576, 16])).toEqual(['m', 'v', 'gg_right', 'q_right'])
    expect(partsOf([8, 16])).toEqual(['m', 'v', 'gg_left', 'q_left', 'gg_right', 'q_right'])
    expect(partsOf([8, 16], { sides: 'smaller' })).toEqual(['m', 'v', 'gg_left', 'q_left'])
    expect(partsOf([8, 64], { sides: 'both' })).toHaveLength(6)
    expect(partsOf([64, 300])).toEqual(['m', 'v', 'gg_left', 'q_left'])
    expect(partsOf([64, 300], { maxPrecondDim: 300 })).toHaveLength(6)
    expect(partsOf([300, 300])).toEqual(['m', 'v'])
    expect(partsOf([300])).toEqual(['m', 'v'])
    using _scope = tensorScope()
    expect(() => soap().init(weightsOf({ w: [300, 300], b: [7] }))).toThrow('this would be AdamW')
  })

  test('the part of one process may have no such side: the others have the rest', () => {
    using _scope = tensorScope()
    const options = soapDefinition.options.validate({})
    const whole = { weightDecay: 0, decays: () => true }
    const vectors = weightsOf({ b: [7] })
    expect(() => soapDefinition.create(options, whole).init(vectors)).toThrow('this would be AdamW')
    using state = soapDefinition.create(options, { ...whole, sizeOf: () => 7 }).init(vectors)
    expect([...state.tensors().keys()]).toEqual(['m.b', 'v.b'])
  })

  test('a state of s × s numbers, twice', () => {
    using _scope = tensorScope()
    using state = soap().init(weightsOf({ w: [576, 16] }))
    const bytes = [...state.tensors().values()].reduce((sum, one) => sum + one.bytes, 0)
    expect(bytes).toBe(4 * (2 * 576 * 16 + 2 * 16 * 16))
  })

  test('vectors are trained as by AdamW', () => {
    using _scope = tensorScope()
    const [ours, theirs] = [weightsOf({ w: [4, 4], b: [9] }), weightsOf({ w: [4, 4], b: [9] })]
    using soaped = soap({ weightDecay: 0.1 }).init(ours)
    using adam = adamw({ beta1: 0.95, beta2: 0.95, weightDecay: 0.1 }).init(theirs)
    train(soaped, ours, 3)
    train(adam, theirs, 3)
    expect(ours.get('b')?.toArray()).toEqual(theirs.get('b')?.toArray() ?? new Float32Array())
  })
})

describe('parameters together', () => {
  test('a stack of matrices is trained as the matrices alone, to the bit; and so is each beside others', () => {
    using _scope = tensorScope()
    const together = weightsOf({ stack: [3, 4, 40], w: [4, 40] })
    using all = soap({ weightDecay: 0.01, preconditionFrequency: 2 }).init(together)
    train(all, together, 6)
    const w = weightsOf({ w: [4, 40] })
    using alone = soap({ weightDecay: 0.01, preconditionFrequency: 2 }).init(w)
    train(alone, w, 6)
    expect(together.get('w')?.toArray()).toEqual(w.get('w')?.toArray() ?? new Float32Array())
    const second = parameter(tensor(numbers([3, 4, 40], 0).slice(160, 320), { shape: [4, 40] }))
    using one = soap({ weightDecay: 0.01, preconditionFrequency: 2 }).init(new Map([['x', second]]))
    for (let step = 1; step <= 6; step++) {
      setGradient(second, numbers([3, 4, 40], step).slice(160, 320))
      one.apply({ step, learningRate: 0.01, gradScale: 1, metrics: {} })
    }
    expect([...(together.get('stack')?.toArray().slice(160, 320) ?? [])]).toEqual([...second.toArray()])
  })

  test('a gradient of zeros gives no basis: the first one that is not begins', () => {
    using _scope = tensorScope()
    const [late, soon] = [weightsOf({ w: [4, 40] }), weightsOf({ w: [4, 40] })]
    using lateState = soap().init(late)
    using soonState = soap().init(soon)
    const weight = late.get('w')
    if (!weight) throw new Error('no weight')
    for (let step = 1; step <= 2; step++) {
      setGradient(
        weight,
        Array.from({ length: 160 }, () => 0),
      )
      lateState.apply({ step, learningRate: 0.01, gradScale: 1, metrics: {} })
    }
    expect(lateState.saveState?.()).toEqual({ w: -1 })
    train(lateState, late, 5)
    train(soonState, soon, 5)
    expect(weight.toArray()).toEqual(soon.get('w')?.toArray() ?? new Float32Array())
    expect(lateState.saveState?.()).toEqual({ w: 4 })
  })

  test('one that had no gradient in some steps counts its own', () => {
    using _scope = tensorScope()
    const both = weightsOf({ a: [4, 40], b: [4, 40] })
    using state = soap({ preconditionFrequency: 2 }).init(both)
    const b = both.get('b')
    train(state, both, 3)
    b?.grad?.dispose()
    if (b) b.grad = null
    const before = b?.toArray()
    const a = both.get('a')
    if (a) setGradient(a, numbers([4, 40], 9))
    state.apply({ step: 4, learningRate: 0.01, gradScale: 1, metrics: {} })
    expect(state.saveState?.()).toEqual({ a: 3, b: 2 })
    expect(b?.toArray()).toEqual(before ?? new Float32Array())
  })

  test('a state of another run is refused', () => {
    using _scope = tensorScope()
    using state = soap().init(weightsOf({ w: [4, 4] }))
    expect(() => state.loadState?.({ other: 1 })).toThrow('no number of steps for "w"')
  })
})

/** In [-1, 1), as in tests/oracle/soap.py. */
function numbers(shape: Shape, seed: number): number[] {
  return Array.from({ length: sizeOf(shape) }, (_, i) => {
    const x = Math.sin(12.9898 * (i + 1) + 78.233 * (seed + 1)) * 43758.5453
    return 2 * (x - Math.floor(x)) - 1
  })
}

function weightsOf(shapes: Readonly<Record<string, Shape>>): Map<string, Tensor> {
  return new Map(
    Object.entries(shapes).map(([name, shape]) => [name, parameter(tensor(numbers(shape, 0), { shape }))]),
  )
}

function train(state: TransformState, weights: Parameters, steps: number): void {
  for (let step = 1; step <= steps; step++) {
    for (const weight of weights.values()) setGradient(weight, numbers(weight.shape, step))
    state.apply({ step, learningRate: 0.01, gradScale: 1, metrics: {} })
  }
}

function setGradient(weight: Tensor, values: readonly number[]): void {
  weight.grad?.dispose()
  weight.grad = tensor(values, { shape: weight.shape, device: weight.device })
  weight.grad.adopt(null)
}
