/**
 * Attention with sinks: gradients against differences in f64, the softmax written out, packed documents, windows, bf16.
 */
import { expect, test } from 'bun:test'
import {
  attentionWithSinks,
  backward,
  createRandom,
  type Device,
  mul,
  noGrad,
  parameter,
  sum,
  tensor,
  tensorScope,
  type Tensor,
} from '../../core/mod.ts'
import { openCpu } from '../../plugins/cpu/mod.ts'
import { expectSlopes } from '../../testing/slopes.ts'
import { createWideDevice } from '../../testing/ops/wide-device.ts'
import { relativeError } from '../_golden.ts'

const [T, H, KV, D] = [7, 4, 2, 8]
const OFFSETS = [0, 3, 7]
const cpu = openCpu()

function draw(name: string, size: number): Float32Array {
  const random = createRandom(1, name)
  return Float32Array.from({ length: size }, () => random.normal())
}

/** Leaves with the same numbers on any device; disposed by the caller. */
function leavesOn(device: Device): Record<'q' | 'k' | 'v' | 'sinks', Tensor> {
  const leaf = (name: string, shape: readonly number[]): Tensor => {
    const made = tensor(
      draw(
        name,
        shape.reduce((a, b) => a * b, 1),
      ),
      { shape, device },
    )
    made.adopt(null)
    return parameter(made)
  }
  return {
    q: leaf('q', [T, H, D]),
    k: leaf('k', [T, KV, D]),
    v: leaf('v', [T, KV, D]),
    sinks: leaf('sinks', [H]),
  }
}

function attend(leaves: ReturnType<typeof leavesOn>, device: Device, window: number): Tensor {
  const offsets = tensor(OFFSETS, { dtype: 'i32', device })
  const options = { offsetsQ: offsets, offsetsK: offsets, scale: 0.4, window }
  return attentionWithSinks(leaves.q, leaves.k, leaves.v, leaves.sinks, options)
}

/** Σ factors·y */
function lossOf(leaves: ReturnType<typeof leavesOn>, device: Device, window: number): Tensor {
  const y = attend(leaves, device, window)
  return sum(mul(y, tensor(draw('factors', y.size), { shape: y.shape, device })))
}

test.each([0, 2])('the gradients of q, k, v and the sinks are slopes (window %p)', (window) => {
  const device = createWideDevice()
  const leaves = leavesOn(device)
  expectSlopes(new Map(Object.entries(leaves)), {
    device,
    loss: () => lossOf(leaves, device, window),
    backward,
    lookAt: 'core/ops/attention-sinks.ts',
  })
  for (const leaf of Object.values(leaves)) leaf.dispose()
})

test.each([0, 2])('a softmax with one more score, written out (window %p)', (window) => {
  const leaves = leavesOn(cpu)
  using _scope = tensorScope()
  const got = noGrad(() => attend(leaves, cpu, window)).toArray()
  const [q, k, v, s] = Object.values(leaves).map((leaf) => leaf.toArray())
  const wanted = new Float32Array(T * H * D)
  for (let t = 0; t < T; t++) {
    for (let h = 0; h < H; h++) {
      const kv = Math.floor(h / (H / KV))
      const start = Math.max(t < 3 ? 0 : 3, window > 0 ? t + 1 - window : 0)
      const scores = Array.from({ length: t + 1 - start }, (_, j) => {
        let dot = 0
        for (let d = 0; d < D; d++) dot += q[(t * H + h) * D + d] * k[((start + j) * KV + kv) * D + d]
        return Math.exp(0.4 * dot)
      })
      const total = scores.reduce((a, b) => a + b, Math.exp(s[h]))
      for (const [j, score] of scores.entries())
        for (let d = 0; d < D; d++)
          wanted[(t * H + h) * D + d] += (score / total) * v[((start + j) * KV + kv) * D + d]
    }
  }
  expect(relativeError(got, wanted)).toBeLessThanOrEqual(1e-5)
  for (const leaf of Object.values(leaves)) leaf.dispose()
})

test('sinks far above and far below the scores stay numbers', () => {
  for (const sink of [-1e4, 1e4]) {
    const leaves = leavesOn(cpu)
    leaves.sinks.set(new Float32Array(H).fill(sink))
    using _scope = tensorScope()
    backward(lossOf(leaves, cpu, 0))
    for (const { grad } of Object.values(leaves)) {
      expect(grad?.toArray().every(Number.isFinite)).toBe(true)
      grad?.dispose()
    }
    for (const leaf of Object.values(leaves)) leaf.dispose()
  }
})

test('sinks of another count are refused', () => {
  const leaves = leavesOn(cpu)
  using _scope = tensorScope()
  const offsets = tensor(OFFSETS, { dtype: 'i32', device: cpu })
  const options = { offsetsQ: offsets, offsetsK: offsets, scale: 1 }
  const wrong = tensor([1, 2], { device: cpu })
  expect(() => attentionWithSinks(leaves.q, leaves.k, leaves.v, wrong, options)).toThrow('sinks')
  for (const leaf of Object.values(leaves)) leaf.dispose()
})
