/**
 * Gradients in one buffer are the gradients that there would be without it.
 */
import { expect, test } from 'bun:test'
import {
  backward,
  clipByGlobalNorm,
  flatGradients,
  mul,
  parameter,
  sum,
  tensor,
  type Tensor,
  tensorScope,
} from '../../core/mod.ts'

/** Leaves of different sizes, with a loss whose gradients are 3·values each. */
function leaves(): Map<string, Tensor> {
  const made = [[1, 2, 3], [4], [5, 6]].map((values, i) => {
    const leaf = parameter(tensor(values))
    leaf.adopt(null)
    return [`p${i}`, leaf] as const
  })
  return new Map(made)
}

function accumulate(parameters: ReadonlyMap<string, Tensor>): void {
  using _scope = tensorScope()
  for (const p of parameters.values()) backward(sum(mul(mul(p, p), 1.5)))
}

const gradientsOf = (parameters: ReadonlyMap<string, Tensor>): number[][] =>
  [...parameters.values()].map(({ grad }) => [...(grad?.toArray() ?? [])])

test('`flatGradients()` collects every gradient, clears them at once and takes them off again', () => {
  const parameters = leaves()
  {
    using flat = flatGradients(parameters)
    expect(gradientsOf(parameters)).toEqual([[0, 0, 0], [0], [0, 0]])
    accumulate(parameters)
    accumulate(parameters)
    expect(gradientsOf(parameters)).toEqual([[6, 12, 18], [24], [30, 36]])
    const total = [...(flat?.all.toArray() ?? [])].reduce((a, b) => a + b, 0)
    expect(total).toBe(126)
    flat?.clear()
    expect(gradientsOf(parameters)).toEqual([[0, 0, 0], [0], [0, 0]])
  }
  expect([...parameters.values()].map(({ grad }) => grad)).toEqual([null, null, null])
  for (const p of parameters.values()) p.dispose()
})

test('clipping measures them at once, and one by one when a link has replaced one', () => {
  const parameters = leaves()
  using flat = flatGradients(parameters)
  accumulate(parameters)
  const norm = (): number => {
    const metrics: Record<string, number> = {}
    using state = clipByGlobalNorm(0).init(parameters)
    state.apply({ step: 1, learningRate: 0, gradScale: 1, gradients: flat?.all, metrics })
    return metrics.grad_norm
  }
  expect(norm()).toBeCloseTo(3 * Math.sqrt(1 + 4 + 9 + 16 + 25 + 36), 6)
  const replaced = parameters.get('p1')
  if (!replaced) throw new Error('no p1')
  replaced.grad?.dispose()
  replaced.grad = tensor([0])
  replaced.grad.adopt(null)
  expect(norm()).toBeCloseTo(3 * Math.sqrt(1 + 4 + 9 + 25 + 36), 6)
  for (const p of parameters.values()) p.dispose()
})

test('`flatGradients()` of nothing is null', () => {
  expect(flatGradients(new Map())).toBeNull()
})
