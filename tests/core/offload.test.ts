/**
 * `withOffload()`: what checkpoint() keeps waits in a store, and comes back when the backward pass goes by.
 */
import { expect, test } from 'bun:test'
import {
  type ActivationStore,
  backward,
  checkpoint,
  exp,
  mul,
  noGrad,
  parameter,
  sum,
  type Tensor,
  tensor,
  tensorScope,
  withOffload,
} from '../../core/mod.ts'

/** Keeps numbers, and what happened. */
function keeper(): ActivationStore & { readonly events: string[] } {
  const events: string[] = []
  return {
    events,
    put(x) {
      const values = x.toArray()
      const { shape, dtype, device } = x
      events.push(`put ${values.join(' ')}`)
      return {
        take() {
          events.push(`take ${values.join(' ')}`)
          return tensor(values, { shape, dtype, device })
        },
        release: () => void events.push(`release ${values.join(' ')}`),
      }
    },
  }
}

/** The gradient of w of Σ exp(2w)·w², its inner blocks checkpointed. */
function gradient(store: ActivationStore | null): number[] {
  using _scope = tensorScope()
  const w = parameter(tensor([0, 1, -1]))
  const block = (a: Tensor, b: Tensor): [Tensor] => [mul(exp(a), mul(b, b))]
  const loss = withOffload(store, () => {
    const [y] = checkpoint(block, mul(w, 2), w)
    return sum(y)
  })
  backward(loss)
  return [...(w.grad?.toArray() ?? [])]
}

test('gradients are those without a store; leaves stay where they are', () => {
  const store = keeper()
  expect(gradient(store)).toEqual(gradient(null))
  expect(store.events).toEqual(['put 0 2 -2', 'take 0 2 -2', 'release 0 2 -2'])
})

test('what is never walked is released with the outermost scope', () => {
  const store = keeper()
  {
    using _scope = tensorScope()
    const w = parameter(tensor([3]))
    withOffload(store, () => checkpoint((a) => [exp(a)], mul(w, 1)))
  }
  expect(store.events).toEqual(['put 3', 'release 3'])
})

test('nothing is put away where nothing is recorded, nor after it', () => {
  const store = keeper()
  using _scope = tensorScope()
  const w = parameter(tensor([3]))
  withOffload(store, () => noGrad(() => checkpoint((a) => [exp(a)], mul(w, 1))))
  expect(() =>
    withOffload(store, () => {
      throw new Error('stop')
    }),
  ).toThrow('stop')
  checkpoint((a) => [exp(a)], mul(w, 1))
  expect(store.events).toEqual([])
})
