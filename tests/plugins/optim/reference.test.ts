/**
 * Every optimizer against its reference implementation (tests/oracle/optimizers.py wrote what those give).
 */
import { describe, expect, test } from 'bun:test'
import {
  type FloatDType,
  type GradientTransform,
  parameter,
  referenceDevice,
  tensor,
  type Tensor,
  tensorScope,
  withEvaluationWeights,
} from '../../../core/mod.ts'
import { openCpuOrReference } from '../../../plugins/cpu/mod.ts'
import { adafactor, lion, muon, rmsprop, scheduleFreeAdamw, sgd } from '../../../plugins/optim/mod.ts'
import { goldenJson, relativeError } from '../../_golden.ts'

interface Step {
  readonly step: number
  readonly weights: Readonly<Record<string, number[]>>
  readonly states: Readonly<Record<string, number[]>>
  readonly average?: Readonly<Record<string, number[]>>
}

interface Case {
  readonly name: string
  readonly options: Readonly<Record<string, never>> & {
    readonly lr: number | null
    readonly betas?: readonly [number, number]
    readonly beta1?: number
    readonly weight_decay?: number
  }
  readonly rates: readonly number[] | null
  readonly parameters: readonly string[]
  readonly steps: readonly Step[]
}

interface Golden {
  readonly shapes: Readonly<Record<string, number[]>>
  readonly start: Readonly<Record<string, number[]>>
  readonly gradients: readonly Readonly<Record<string, number[]>>[]
  readonly cases: readonly Case[]
}

const golden = goldenJson<Golden>('ops', 'optimizers.json')

/** Options of ours from those of the reference. */
const MAKERS: Readonly<Record<string, (options: Case['options']) => GradientTransform>> = {
  lion: ({ betas, weight_decay }) => lion({ ...betasOf(betas), weightDecay: weight_decay }),
  adafactor: ({ lr, weight_decay, beta1, ...o }) =>
    adafactor({
      weightDecay: weight_decay,
      beta1,
      scaleParameter: o.scale_parameter ?? true,
      relativeStep: o.relative_step ?? true,
      warmupInit: o.warmup_init,
      clipThreshold: o.clip_threshold,
      decayRate: o.decay_rate,
    }),
  sgd: ({ weight_decay, ...o }) => sgd({ ...o, weightDecay: weight_decay }),
  rmsprop: ({ weight_decay, ...o }) => rmsprop({ ...o, weightDecay: weight_decay }),
  schedule_free: ({ betas, weight_decay, ...o }) =>
    scheduleFreeAdamw({
      ...betasOf(betas),
      weightDecay: weight_decay,
      warmupSteps: o.warmup_steps,
      r: o.r,
      weightLrPower: o.weight_lr_power,
    }),
  muon: (options) => makeMuon(options),
  'muon-bf16': (options) => makeMuon(options, 'bf16'),
}

function makeMuon({ weight_decay, ...o }: Case['options'], nsDtype?: FloatDType): GradientTransform {
  return muon({
    nsDtype,
    weightDecay: weight_decay,
    adjustLr: o.adjust_lr_fn ?? 'original',
    momentum: o.momentum,
    nesterov: o.nesterov,
    nsSteps: o.ns_steps,
  })
}

const DEVICES = [referenceDevice, openCpuOrReference({ threads: 2 }).device].map(
  (device) => [device.name, device] as const,
)

describe.each(DEVICES)('%s', (_, device) => {
  test.each(golden.cases.map((one) => [one.name, one] as const))(
    '%s',
    (name, { options, rates, parameters, steps }) => {
      using _scope = tensorScope()
      const weights = new Map(
        parameters.map((key) => [
          key,
          parameter(tensor(golden.start[key], { shape: golden.shapes[key], device })),
        ]),
      )
      using state = (MAKERS[name] ?? MAKERS[name.split(/[-]|_32bit/)[0]])(options).init(weights)
      // In bf16 the iteration has two digits, torch's own too: a few hundredths of what the steps move.
      const tolerance = name === 'muon-bf16' ? 4e-4 : 2e-6
      for (const [i, gradients] of golden.gradients.entries()) {
        for (const [key, weight] of weights) setGradient(weight, gradients[key])
        const learningRate = rates ? rates[i] : (options.lr ?? 1)
        state.apply({ step: i + 1, learningRate, gradScale: 0.5, metrics: {} })
        const expected = steps.find(({ step }) => step === i + 1)
        for (const [key, values] of Object.entries(expected?.weights ?? {}))
          expect(
            relativeError(weights.get(key)?.toArray() ?? [], values),
            `${key}, step ${i + 1}`,
          ).toBeLessThan(tolerance)
        for (const [key, values] of Object.entries(expected?.states ?? {}))
          expect(relativeError(state.tensors().get(key)?.toArray() ?? [], values), key).toBeLessThan(1e-5)
        for (const [key, values] of Object.entries(expected?.average ?? {}))
          withEvaluationWeights(state, () =>
            expect(relativeError(weights.get(key)?.toArray() ?? [], values), `${key}, average`).toBeLessThan(
              2e-6,
            ),
          )
      }
    },
  )
})

/** As twice the gradient, which `gradScale` halves. */
function setGradient(weight: Tensor, values: readonly number[]): void {
  weight.grad?.dispose()
  weight.grad = tensor(
    values.map((value) => 2 * value),
    { shape: weight.shape, device: weight.device },
  )
  weight.grad.adopt(null)
}

function betasOf(betas: readonly [number, number] | undefined): { beta1?: number; beta2?: number } {
  return betas ? { beta1: betas[0], beta2: betas[1] } : {}
}
