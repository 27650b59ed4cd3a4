/**
 * Attention with sinks (gpt_oss; Xiao et al. 2023, arXiv 2309.17453): each head has one more score s, which every query sees and which brings no
 * value. Made of the op `attention` and its gradient, so it takes what they take:
 *
 *   y = σ(lse − s)·o                     o and lse = log Σ exp(scores) of attention without the sink
 *   dq, dk, dv: those of attention with p = exp(scores − lse'), o = y           lse' = log(exp(lse) + exp(s))
 *   ds = −Σ (1 − σ(lse − s))·(dy·y)      its value is zero, so all that is left of the softmax's gradient is the mean
 */
import { expectOptions } from '../tensor/expect.ts'
import { expectDType, run } from '../tensor/op.ts'
import { scoped } from '../tensor/scope.ts'
import { expectShape } from '../tensor/shape.ts'
import { linksOf, noGrad, record } from '../tensor/tape.ts'
import type { FloatDType } from '../tensor/dtype.ts'
import type { Tensor } from '../tensor/tensor.ts'
import { attentionBackward, attentionForward, type AttentionOptions } from './attention.ts'
import { add, maximum, mul, sub } from './binary.ts'
import { cast } from './cast.ts'
import { reshape, transpose } from './movement.ts'
import { sum } from './reduce.ts'
import { affine, exp, log, sigmoid } from './unary.ts'

/**
 * q (Tq, H, D), k and v (Tk, Hkv, D), sinks (H) → (Tq, H, D), as `attention()` with one more score for each head. Gradients of all four.
 *
 * @example
 * ```ts
 * import { attentionWithSinks, tensor, tensorScope } from 'tritune/core'
 *
 * using _scope = tensorScope()
 * const q = tensor([1, 1], { shape: [1, 1, 2] }) // one token, one head of 2
 * const sinks = tensor([2]) // as large as the score of the token itself
 * const offsets = tensor([0, 1], { dtype: 'i32' })
 * const y = attentionWithSinks(q, q, q, sinks, { offsetsQ: offsets, offsetsK: offsets, scale: 1 })
 * console.log([...y.toArray()]) // → [ 0.5, 0.5 ]
 * ```
 */
export function attentionWithSinks(
  q: Tensor,
  k: Tensor,
  v: Tensor,
  sinks: Tensor,
  options: AttentionOptions,
): Tensor {
  expectOptions('attentionWithSinks', options)
  const { offsetsQ, offsetsK, scale, causal = true, window = 0, softcap = 0 } = options
  const [, heads] = q.shape
  expectDType('attentionWithSinks', 'sinks', sinks, ['f32', 'bf16'])
  expectShape('attentionWithSinks sinks', sinks.shape, [heads])
  const params = { scale, causal, window, softcap }
  const links = linksOf({ q, k, v, sinks })
  const { y, share, lse } = noGrad(() =>
    scoped(() => {
      const plain = run(attentionForward, { q, k, v, offsetsQ, offsetsK }, params)
      const column = reshape(cast(sinks, 'f32'), [heads, 1])
      const seen = sigmoid(sub(plain.lse, column))
      const whole = links
        ? { share: seen, lse: logAddExp(plain.lse, column) }
        : { share: undefined, lse: undefined }
      return { y: byHead(plain.o, seen), ...whole }
    }),
  )
  if (!links || !share || !lse) return y
  const saved = [q, k, v, offsetsQ, offsetsK, y, share, lse].map((one) => one.alias())
  record(
    {
      name: 'attention_with_sinks',
      links,
      backward({ y: dy }) {
        if (!dy) return {}
        const [q, k, v, offsetsQ, offsetsK, o, share, lse] = saved
        const { dq, dk, dv } = run(
          attentionBackward,
          { grad: dy, o, lse, q, k, v, offsetsQ, offsetsK },
          params,
        )
        return { q: dq, k: dk, v: dv, sinks: links.has('sinks') ? sinkGradient(dy, o, share) : undefined }
      },
      release() {
        for (const one of saved) one.dispose()
      },
    },
    { y },
  )
  share.dispose()
  lse.dispose()
  return y
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** log(exp(a) + exp(b)), without leaving the range of exp; a may be −Inf. */
function logAddExp(a: Tensor, b: Tensor): Tensor {
  const largest = maximum(a, b)
  return add(largest, log(add(exp(sub(a, largest)), exp(sub(b, largest)))))
}

/** x (T, H, D) times factors (H, T) f32, in the dtype of x. */
function byHead(x: Tensor, factors: Tensor): Tensor {
  const [tokens, heads] = x.shape
  return mul(x, reshape(cast(transpose(factors), x.dtype as FloatDType), [tokens, heads, 1]))
}

/** −Σ (1 − share)·(dy·y) over the queries → (H) f32 */
function sinkGradient(dy: Tensor, y: Tensor, share: Tensor): Tensor {
  const dots = sum(mul(cast(dy, 'f32'), cast(y, 'f32')), { axis: 2 })
  return sum(mul(affine(share, { shift: -1 }), transpose(dots)), { axis: 1 })
}
