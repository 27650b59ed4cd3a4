/**
 * Ops against torch: the tables that tests/oracle/ops.py wrote. The other tests compare tritune with itself.
 */
import { describe, expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import {
  adamwStep,
  backward,
  type Device,
  gelu,
  headCrossEntropy,
  type Layer,
  layerNorm,
  linearCrossEntropy,
  mul,
  numberToBf16,
  numberToF16,
  parameter,
  referenceDevice,
  rmsNorm,
  silu,
  sum,
  tensor,
  type Tensor,
  tensorScope,
  useDevice,
  zeros,
} from '../../core/mod.ts'
import { openCpuOrReference } from '../../plugins/cpu/mod.ts'

const { device: cpu, note } = openCpuOrReference({ threads: 2 })
if (note) console.log(`on the reference only: ${note}`)
const DEVICES: readonly Device[] = note ? [referenceDevice] : [referenceDevice, cpu]

function golden<T>(name: string): T {
  return JSON.parse(readFileSync(new URL(`../golden/ops/${name}.json`, import.meta.url), 'utf8'))
}

/** Largest difference, as a share of the largest number. */
function expectClose(got: Tensor | null, expected: readonly number[], tolerance = 3e-6): void {
  const values = [...(got?.toArray() ?? [])]
  expect(values.length).toBe(expected.length)
  const scale = Math.max(...expected.map(Math.abs))
  for (const [i, value] of values.entries()) {
    if (!(Math.abs(value - expected[i]) <= tolerance * scale))
      throw new Error(`[${i}]: got ${value}, torch has ${expected[i]} (largest ${scale})`)
  }
}

interface Activations {
  readonly x: number[]
  readonly geluErf: { readonly value: number[]; readonly derivative: number[] }
  readonly geluTanh: { readonly value: number[]; readonly derivative: number[] }
  readonly silu: { readonly value: number[]; readonly derivative: number[] }
}

interface Norms {
  readonly rows: number
  readonly cols: number
  readonly eps: number
  readonly x: number[]
  readonly weight: number[]
  readonly bias: number[]
  readonly incoming: number[]
  readonly rmsNorm: { readonly value: number[]; readonly gradX: number[]; readonly gradWeight: number[] }
  readonly layerNorm: {
    readonly value: number[]
    readonly gradX: number[]
    readonly gradWeight: number[]
    readonly gradBias: number[]
  }
}

interface AdamwCases {
  readonly cases: readonly {
    readonly name: string
    readonly options: { lr: number; betas: [number, number]; eps: number; weight_decay: number }
    readonly start: number[]
    readonly steps: readonly { grad: number[]; parameter: number[]; expAvg: number[]; expAvgSq: number[] }[]
  }[]
}

interface CrossEntropy {
  readonly rows: number
  readonly vocab: number
  readonly logits: number[]
  readonly labels: number[]
  readonly cases: readonly {
    readonly options: { readonly reduction: string; readonly label_smoothing?: number }
    readonly loss: number
    readonly grad: number[]
  }[]
}

for (const device of DEVICES) {
  describe(`torch and the ${device.name} agree on`, () => {
    test('activations and their slopes', () => {
      using _device = useDevice(device)
      using _scope = tensorScope()
      const table = golden<Activations>('activations')
      const functions = {
        geluErf: gelu,
        geluTanh: (x: Tensor): Tensor => gelu(x, { approximate: 'tanh' }),
        silu,
      }
      for (const name of ['geluErf', 'geluTanh', 'silu'] as const) {
        const x = parameter(tensor(table.x))
        const y = functions[name](x)
        expectClose(y, table[name].value)
        backward(sum(y))
        expectClose(x.grad, table[name].derivative)
      }
    })

    test('norms and their gradients', () => {
      using _device = useDevice(device)
      using _scope = tensorScope()
      const table = golden<Norms>('norms')
      const { rows, cols, eps } = table
      for (const name of ['rmsNorm', 'layerNorm'] as const) {
        const x = parameter(tensor(table.x, { shape: [rows, cols] }))
        const weight = parameter(tensor(table.weight))
        const bias = parameter(tensor(table.bias))
        const y = name === 'rmsNorm' ? rmsNorm(x, weight, { eps }) : layerNorm(x, weight, bias, { eps })
        backward(sum(mul(y, tensor(table.incoming, { shape: [rows, cols] }))))
        expectClose(y, table[name].value)
        expectClose(x.grad, table[name].gradX)
        expectClose(weight.grad, table[name].gradWeight)
        if (name === 'layerNorm') expectClose(bias.grad, table.layerNorm.gradBias)
      }
    })

    for (const { name, options, start, steps } of golden<AdamwCases>('adamw').cases) {
      test(`AdamW, ${name}`, () => {
        using _device = useDevice(device)
        using _scope = tensorScope()
        const [weight, m, v] = [tensor(start), zeros([start.length]), zeros([start.length])]
        const [beta1, beta2] = options.betas
        for (const [i, step] of steps.entries()) {
          const scales = { bias1: 1 - beta1 ** (i + 1), bias2: 1 - beta2 ** (i + 1), gradScale: 1 }
          const rates = { lr: options.lr, beta1, beta2, eps: options.eps, weightDecay: options.weight_decay }
          adamwStep({ weight, master: null, m, v, grad: tensor(step.grad) }, { ...rates, ...scales })
          expectClose(weight, step.parameter)
          expectClose(m, step.expAvg)
          expectClose(v, step.expAvgSq)
        }
      })
    }

    test('the loss of a language model and its gradient, ignored targets left out', () => {
      using _device = useDevice(device)
      using _scope = tensorScope()
      const { rows, vocab, logits, labels, cases } = golden<CrossEntropy>('cross_entropy')
      // With the identity as the head, the hidden state is the logits.
      const identity = tensor(
        Float32Array.from({ length: vocab ** 2 }, (_, i) => Number(i % (vocab + 1) === 0)),
        {
          shape: [vocab, vocab],
        },
      )
      const trained = labels.filter((label) => label >= 0).length
      for (const { options, loss: expected, grad } of cases) {
        const h = parameter(tensor(logits, { shape: [rows, vocab] }))
        const scale = options.reduction === 'mean' ? 1 / trained : 1
        const targets = tensor(labels, { dtype: 'i32' })
        const { label_smoothing: smoothing } = options
        const loss = smoothing
          ? headCrossEntropy(headOf(identity), h, targets, { scale, smoothing, rowsAtOnce: 4 })
          : linearCrossEntropy(h, identity, targets, { scale })
        backward(loss)
        expect(loss.item() / expected).toBeCloseTo(1, 5)
        expectClose(h.grad, grad)
      }
    })
  })
}

/** An output head of this weight, without bias and adapters. */
function headOf(weight: Tensor): Layer {
  const [outputs, inputs] = weight.shape
  const { device } = weight
  return {
    path: 'lm_head',
    kind: 'head',
    weight,
    bias: null,
    inputs,
    outputs,
    device,
    tiedTo: null,
    transposed: false,
    adapters: [],
  }
}

test('bf16 and f16 round as torch does', () => {
  const { f32, bf16, f16 } = golden<{ f32: number[]; bf16: number[]; f16: number[] }>('rounding')
  const values = new Float32Array(Uint32Array.from(f32).buffer)
  expect(Array.from(values, numberToBf16)).toEqual(bf16)
  expect(Array.from(values, numberToF16)).toEqual(f16)
})
