/**
 * The tape and the way back: what is recorded, what is added where, what is freed when.
 */
import { describe, expect, test } from 'bun:test'
import {
  add,
  addRmsNorm,
  affine,
  backward,
  cast,
  checkpoint,
  concat,
  countLiveTensors,
  dropout,
  linear,
  type LinearBackwardParams,
  linearBackward,
  linearCrossEntropy,
  linearForward,
  mul,
  noGrad,
  parameter,
  record,
  linksOf,
  referenceDevice,
  reshape,
  rmsNorm,
  scoped,
  silu,
  siteOf,
  slice,
  sum,
  tensor,
  Tensor,
  tensorScope,
  TrituneError,
  useDevice,
  withNoise,
} from '../../core/mod.ts'
import { createWideDevice, type WideDevice } from '../../testing/ops/wide-device.ts'

const X = [0.5, -1, 2, 1.5, 0.25, -0.75]
const W = [1, 2, -1, 0.5, 0, 3, -2, 1, 1]

function matrix(values: readonly number[], shape: readonly number[]): Tensor {
  return tensor(values, { shape })
}

function gradientOf(leaf: Tensor): number[] {
  return leaf.grad ? [...leaf.grad.toArray()] : []
}

function codeOf(fn: () => unknown): string {
  try {
    fn()
  } catch (error) {
    if (error instanceof TrituneError) return error.code
    throw error
  }
  return 'nothing was thrown'
}

function ranBackward(device: WideDevice): LinearBackwardParams[] {
  return device.ran
    .filter(({ op }) => op === linearBackward)
    .map(({ params }) => params as LinearBackwardParams)
}

describe('backward()', () => {
  test('adds to the gradients of leaves, call after call', () => {
    using _scope = tensorScope()
    const x = parameter(tensor([1, 2, 3]))
    for (let call = 1; call <= 3; call++) {
      backward(sum(mul(x, x)))
      expect(gradientOf(x)).toEqual([2 * call, 4 * call, 6 * call])
    }
    backward(sum(x), { gradient: -6 })
    expect(gradientOf(x)).toEqual([0, 6, 12])
  })

  test('sums what arrives at a tensor that is used three times', () => {
    using _scope = tensorScope()
    const x = parameter(tensor([1, 2]))
    const h = affine(x, { scale: 2 })
    backward(sum(add(add(mul(h, h), silu(h)), reshape(h, [2]))))
    const slope = (v: number): number => 1 / (1 + Math.exp(-v))
    const expected = [2, 4].map((h) => 2 * (2 * h + slope(h) * (1 + h * (1 - slope(h))) + 1))
    for (const [i, value] of gradientOf(x).entries()) expect(value).toBeCloseTo(expected[i], 5)
  })

  test('adds dx of linear layers in place after the first', () => {
    const device = createWideDevice()
    using _device = useDevice(device)
    using _scope = tensorScope()
    const x = parameter(matrix(X, [2, 3]))
    const h = affine(x, { scale: 2 })
    const weights = [1, 2, 3].map((scale) =>
      matrix(
        W.map((w) => w * scale),
        [3, 3],
      ),
    )
    const [q, k, v] = weights.map((weight) => linear(h, weight))
    backward(sum(add(add(q, k), v)))
    expect(ranBackward(device).map(({ accumulateDx }) => accumulateDx)).toEqual([false, true, true])
    const columns = [0, 1, 2].map((c) => 2 * 6 * (W[c] + W[3 + c] + W[6 + c]))
    expect(gradientOf(x)).toEqual([...columns, ...columns])
  })

  test('a residual stream passes through without being changed by what is added to it', () => {
    using _scope = tensorScope()
    const run = (join: (y: Tensor, h: Tensor) => Tensor): number[] => {
      const x = parameter(matrix(X, [2, 3]))
      const first = affine(x, { scale: 1.5 })
      const second = silu(first)
      const { h, y } = addRmsNorm(first, second, tensor([1, 2, 3]))
      backward(sum(mul(join(y, h), matrix([1, 2, 3, 4, 5, 6], [2, 3]))))
      return gradientOf(x)
    }
    const both = run((y, h) => add(y, h))
    const [onlyY, onlyH] = [run((y) => y), run((_, h) => h)]
    for (let i = 0; i < both.length; i++) expect(both[i]).toBeCloseTo(onlyY[i] + onlyH[i], 4)
  })

  test('slices of one tensor gather in one gradient', () => {
    using _scope = tensorScope()
    const x = parameter(matrix(X, [2, 3]))
    const h = affine(x, { scale: 1 })
    const parts = [0, 1, 2].map((i) => slice(h, { axis: 1, start: i, end: i + 1 }))
    backward(
      sum(mul(concat([parts[2], parts[0], parts[0]], { axis: 1 }), matrix([1, 2, 3, 4, 5, 6], [2, 3]))),
    )
    expect(gradientOf(x)).toEqual([5, 0, 1, 11, 0, 4])
  })

  test('computes no dW for frozen weights and saves no x for them', () => {
    const device = createWideDevice()
    using _device = useDevice(device)
    using _scope = tensorScope()
    const x = parameter(matrix(X, [2, 3]))
    const weight = matrix(W, [3, 3])
    backward(sum(linear(x, weight)))
    expect(ranBackward(device)).toMatchObject([
      { wantsDx: true, wantsDw: false, wantsDa: false, wantsDb: false },
    ])
    expect(weight.grad).toBeNull()
    const inputs = { x, weight, bias: undefined, loraA: undefined, loraB: undefined }
    expect(linearForward.saves(inputs, { scale: 0, dropout: 0, rng: null })).not.toContain('x')
  })

  test('computes no dx for an input that needs no gradient', () => {
    const device = createWideDevice()
    using _device = useDevice(device)
    using _scope = tensorScope()
    const weight = parameter(matrix(W, [3, 3]))
    backward(sum(linear(matrix(X, [2, 3]), weight)))
    expect(ranBackward(device)).toMatchObject([{ wantsDx: false, wantsDw: true }])
    expect(gradientOf(weight)).toEqual([2, -0.75, 1.25, 2, -0.75, 1.25, 2, -0.75, 1.25])
  })

  test('gives a cast weight its gradient in the dtype of the leaf', () => {
    using _scope = tensorScope()
    const weight = parameter(matrix(W, [3, 3]))
    const x = tensor(X, { shape: [2, 3], dtype: 'bf16' })
    backward(sum(linear(x, cast(weight, 'bf16'))))
    expect(weight.grad?.dtype).toBe('f32')
    expect(gradientOf(weight)).toEqual([2, -0.75, 1.25, 2, -0.75, 1.25, 2, -0.75, 1.25])
  })

  test('multiplies the gradients of linear_cross_entropy by what arrives', () => {
    using _scope = tensorScope()
    const results = [1, -3].map((gradient) => {
      const h = parameter(matrix(X, [2, 3]))
      const weight = parameter(matrix(W, [3, 3]))
      const targets = tensor([2, 0], { dtype: 'i32' })
      backward(linearCrossEntropy(h, weight, targets, { scale: 0.5 }), { gradient })
      return [...gradientOf(h), ...gradientOf(weight)]
    })
    for (const [i, value] of results[1].entries()) expect(value).toBeCloseTo(-3 * results[0][i], 5)
    expect(results[0].some((value) => value !== 0)).toBe(true)
  })

  test('a second call on the same graph is E_SCOPE', () => {
    using _scope = tensorScope()
    const x = parameter(tensor([1, 2]))
    const loss = sum(add(x, x))
    backward(loss)
    expect(codeOf(() => backward(loss))).toBe('E_SCOPE')
    expect(gradientOf(x)).toEqual([2, 2])
  })

  test('refuses a loss with several elements, and one that depends on nothing', () => {
    using _scope = tensorScope()
    expect(codeOf(() => backward(affine(parameter(tensor([1, 2])), { scale: 2 })))).toBe('E_SHAPE')
    expect(codeOf(() => backward(sum(tensor([1, 2]))))).toBe('E_SCOPE')
  })

  test('refuses a gradient of another size than its input', () => {
    using _scope = tensorScope()
    const x = parameter(tensor([1, 2, 3]))
    const y = tensor([0])
    const links = linksOf({ x })
    if (links) record({ name: 'wrong', links, backward: () => ({ x: tensor([1, 2]) }), release() {} }, { y })
    expect(codeOf(() => backward(y))).toBe('E_SHAPE')
  })
})

describe('recording', () => {
  test('happens only under a scope, and an error leaves nothing behind', () => {
    using x = parameter(tensor([1, 2]))
    const before = countLiveTensors()
    expect(codeOf(() => silu(x))).toBe('E_SCOPE')
    expect(countLiveTensors()).toBe(before)
  })

  test('is off in noGrad()', () => {
    using x = parameter(tensor([1, 2]))
    using y = noGrad(() => silu(x))
    expect(y.needsGrad).toBe(false)
  })

  test('keeps what gradients read, and only that, after the scope of a block has closed', () => {
    using _scope = tensorScope()
    const x = parameter(matrix(X, [2, 3]))
    const before = referenceDevice.memory().live
    const y = scoped(() => silu(affine(affine(x, { scale: 2 }), { shift: 1 })))
    // y, and the input of silu; both affine maps read nothing.
    expect(referenceDevice.memory().live - before).toBe(2 * x.bytes)
    backward(sum(y))
    expect(gradientOf(x).length).toBe(6)
  })

  test('frees everything at the end of the outermost scope, walked back or not', () => {
    using x = parameter(matrix(X, [2, 3]))
    using weight = parameter(matrix(W, [3, 3]))
    const train = (walk: boolean): void => {
      using _scope = tensorScope()
      const loss = sum(scoped(() => rmsNorm(silu(linear(x, weight)), tensor([1, 1, 1]))))
      if (walk) backward(loss)
    }
    train(true)
    const [tensors, { live }] = [countLiveTensors(), referenceDevice.memory()]
    for (const walk of [true, false, true]) train(walk)
    expect(countLiveTensors()).toBe(tensors)
    expect(referenceDevice.memory().live).toBe(live)
  })

  test('an op that fails frees its outputs', () => {
    using table = tensor([1, 2, 3, 4], { shape: [2, 2] })
    using targets = tensor([5, 0], { dtype: 'i32' })
    const before = countLiveTensors()
    expect(codeOf(() => linearCrossEntropy(table, table, targets, { scale: 1 }))).toBe('E_SHAPE')
    expect(countLiveTensors()).toBe(before)
  })
})

describe('checkpoint()', () => {
  const block = (x: Tensor, weight: Tensor): readonly [Tensor, Tensor] => {
    const { h, y } = addRmsNorm(dropout(silu(x), { p: 0.25, site: siteOf('block') }), x, tensor([1, 2, 3]))
    return [h, linear(y, weight)]
  }

  function gradientsOf(call: (x: Tensor, weight: Tensor) => readonly [Tensor, Tensor]): number[][] {
    using _scope = tensorScope()
    const x = parameter(matrix(X, [2, 3]))
    const weight = parameter(matrix(W, [3, 3]))
    const loss = withNoise({ seed: 5, step: 1 }, () => {
      const [h, y] = call(affine(x, { scale: 1.25 }), weight)
      const [h2, y2] = call(add(h, y), weight)
      return sum(mul(add(h2, y2), matrix([1, 2, 3, 4, 5, 6], [2, 3])))
    })
    backward(loss)
    return [[loss.item()], gradientOf(x), gradientOf(weight)]
  }

  test('gives the bits of the plain run, dropout included', () => {
    const plain = gradientsOf(block)
    expect(gradientsOf((x, weight) => checkpoint((x) => block(x, weight), x))).toEqual(plain)
    expect(gradientsOf((x, weight) => checkpoint(block, x, weight))).toEqual(plain)
  })

  test('keeps only inputs and outputs', () => {
    using _scope = tensorScope()
    const x = parameter(matrix(X, [2, 3]))
    const before = referenceDevice.memory().live
    const deep = (x: Tensor): readonly [Tensor] => [silu(silu(silu(silu(x))))]
    const [y] = checkpoint(deep, x)
    expect(referenceDevice.memory().live - before).toBe(y.bytes)
  })

  test('passes on an input that comes out again', () => {
    using _scope = tensorScope()
    const x = parameter(tensor([1, 2]))
    const h = affine(x, { scale: 3 })
    const [same, doubled] = checkpoint((h) => [h, affine(h, { scale: 2 })] as const, h)
    backward(sum(mul(same, doubled)))
    expect(gradientOf(x)).toEqual([36, 72])
  })

  test('records nothing in noGrad()', () => {
    using x = parameter(tensor([1, 2]))
    const [y] = noGrad(() => checkpoint((x) => [silu(x)] as const, x))
    expect(y.needsGrad).toBe(false)
    y.dispose()
  })

  test('nests', () => {
    const outer = (x: Tensor, weight: Tensor): readonly [Tensor, Tensor] =>
      checkpoint((x, weight) => checkpoint(block, x, weight), x, weight)
    expect(gradientsOf(outer)).toEqual(gradientsOf(block))
  })
})
