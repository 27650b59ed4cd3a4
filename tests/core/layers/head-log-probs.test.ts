/**
 * headLogProbs(): log-probabilities of single tokens, with gradients, by the op that holds no logits and by rows of logits.
 */
import { describe, expect, test } from 'bun:test'
import {
  backward,
  headCrossEntropy,
  headLogits,
  headLogProbs,
  type Layer,
  linearLogProbs,
  mul,
  noGrad,
  parameter,
  sum,
  tensor,
  type Tensor,
  tensorScope,
  TrituneError,
} from '../../../core/mod.ts'
import { expectGradients } from '../../../testing/ops/gradients.ts'

const TARGETS = [1, 66, -100, 0, 5, 5, -100, 30, 2]

function headOf(weight: Tensor, bias: Tensor | null = null, softcap = 0): Layer {
  const [outputs, inputs] = weight.shape
  return {
    path: 'lm_head',
    kind: 'head',
    inputs,
    outputs,
    weight,
    bias,
    transposed: false,
    device: weight.device,
    tiedTo: null,
    softcap,
    adapters: [],
  }
}

function wave(shape: readonly number[], step: number): Tensor {
  const size = shape.reduce((product, n) => product * n, 1)
  return tensor(
    Array.from({ length: size }, (_, i) => Math.sin(i * step) * 1.5),
    { shape },
  )
}

describe('headLogProbs()', () => {
  for (const softcap of [0, 2])
    for (const bias of [false, true])
      test(`its gradients are slopes where the head trains, softcap ${softcap}, ${bias ? 'with' : 'without'} bias`, () => {
        expectGradients({
          name: 'headLogProbs',
          inputs: {
            h: { shape: [9, 35] },
            weight: { shape: [67, 35] },
            ...(bias ? { bias: { shape: [67] } } : {}),
            targets: { shape: [9], dtype: 'i32', grad: false, values: TARGETS },
          },
          run: ({ h, weight, targets, bias: shift }) => [
            headLogProbs(headOf(weight, shift ?? null, softcap), h, targets, { rowsAtOnce: 4 }),
          ],
        })
      })

  for (const cap of [0, 2])
    test(`is the logarithm of the softmax of the logits (softcap ${cap}), 0 where nothing is trained, alike in both ways`, () => {
      using _scope = tensorScope()
      const [h, weight] = [wave([9, 35], 0.37), wave([67, 35], 0.71)]
      const targets = tensor(TARGETS, { dtype: 'i32' })
      const [logits, frozen] = noGrad(() => [
        headLogits(headOf(weight, null, cap), h).toArray(),
        headLogProbs(headOf(weight, null, cap), h, targets).toArray(),
      ])
      const trained = headLogProbs(headOf(parameter(weight), null, cap), h, targets, {
        rowsAtOnce: 2,
      }).toArray()
      for (const [row, target] of TARGETS.entries()) {
        const z = logits.slice(row * 67, row * 67 + 67)
        const spread = Math.log(z.reduce((total, value) => total + Math.exp(value), 0))
        const wanted = target < 0 ? 0 : z[target] - spread
        expect(frozen[row]).toBeCloseTo(wanted, 4)
        expect(trained[row]).toBeCloseTo(wanted, 4)
      }
    })

  test('gives each row its own share of the gradient', () => {
    using _scope = tensorScope()
    const targets = tensor(TARGETS, { dtype: 'i32' })
    const shares = tensor(TARGETS.map((_, i) => (i % 2 === 0 ? 0.5 : -2)))
    const slopes = [false, true].map((trains) => {
      const [h, weight] = [parameter(wave([9, 35], 0.37)), wave([67, 35], 0.71)]
      const head = headOf(trains ? parameter(weight) : weight)
      backward(sum(mul(headLogProbs(head, h, targets), shares)))
      return h.grad?.toArray() ?? []
    })
    for (const [i, slope] of slopes[0].entries()) expect(slope).toBeCloseTo(slopes[1][i], 5)
  })

  test('adds up to the cross-entropy', () => {
    using _scope = tensorScope()
    const targets = tensor(TARGETS, { dtype: 'i32' })
    const [h, head] = [wave([9, 35], 0.37), headOf(wave([67, 35], 0.71))]
    const [total, loss] = noGrad(() => [
      sum(headLogProbs(head, h, targets)).item(),
      headCrossEntropy(head, h, targets, { scale: 1 }).item(),
    ])
    expect(-total).toBeCloseTo(loss, 3)
  })

  test('the op itself refuses a weight that trains, and no rows are an error', () => {
    using _scope = tensorScope()
    const targets = tensor(TARGETS, { dtype: 'i32' })
    const [h, weight] = [wave([9, 35], 0.37), parameter(wave([67, 35], 0.71))]
    expect(() => linearLogProbs(h, weight, targets)).toThrow(TrituneError)
    expect(() => headLogProbs(headOf(weight), wave([0, 35], 1), tensor([], { dtype: 'i32' }))).toThrow(
      TrituneError,
    )
  })
})
