/** Attention in f64 loops, as tritune.h words it, forward and backward: what the native kernels are compared with. */

export interface AttentionCase {
  readonly offsetsQ: readonly number[]
  readonly offsetsK: readonly number[]
  readonly heads: number
  readonly kvHeads: number
  readonly size: number
  readonly scale: number
  readonly causal: boolean
  readonly window: number
  readonly softcap: number
}

export interface AttentionInputs {
  readonly q: Float64Array
  readonly k: Float64Array
  readonly v: Float64Array
}

export interface AttentionOutput {
  readonly o: Float64Array
  readonly lse: Float64Array
}

/** Calls visit with every query head's row of q and the keys it sees. */
function eachRow(
  c: AttentionCase,
  visit: (row: {
    token: number
    head: number
    q: number
    first: number
    last: number
    kvHead: number
  }) => void,
): void {
  for (let i = 0; i + 1 < c.offsetsQ.length; i++) {
    const [q0, q1] = [c.offsetsQ[i] ?? 0, c.offsetsQ[i + 1] ?? 0]
    const [k0, k1] = [c.offsetsK[i] ?? 0, c.offsetsK[i + 1] ?? 0]
    for (let j = 0; j < q1 - q0; j++) {
      const end = c.causal ? Math.max(0, Math.min(k1 - k0, j + (k1 - k0) - (q1 - q0) + 1)) : k1 - k0
      const begin = c.window > 0 ? Math.max(0, end - c.window) : 0
      for (let head = 0; head < c.heads; head++) {
        const token = q0 + j
        const q = (token * c.heads + head) * c.size
        const kvHead = Math.floor(head / (c.heads / c.kvHeads))
        visit({ token, head, q, first: k0 + begin, last: k0 + end, kvHead })
      }
    }
  }
}

function score(c: AttentionCase, { q, k }: AttentionInputs, qAt: number, kAt: number): number {
  let s = 0
  for (let i = 0; i < c.size; i++) s += (q[qAt + i] ?? 0) * (k[kAt + i] ?? 0)
  s *= c.scale
  return c.softcap > 0 ? c.softcap * Math.tanh(s / c.softcap) : s
}

export function attention(c: AttentionCase, inputs: AttentionInputs): AttentionOutput {
  const totalQ = c.offsetsQ.at(-1) ?? 0
  const o = new Float64Array(inputs.q.length)
  const lse = new Float64Array(totalQ * c.heads).fill(Number.NEGATIVE_INFINITY)
  eachRow(c, ({ token, head, q, first, last, kvHead }) => {
    const keyAt = (key: number): number => (key * c.kvHeads + kvHead) * c.size
    const scores: number[] = []
    for (let key = first; key < last; key++) scores.push(score(c, inputs, q, keyAt(key)))
    if (scores.length === 0) return
    const top = Math.max(...scores)
    const total = scores.reduce((sum, s) => sum + Math.exp(s - top), 0)
    lse[head * totalQ + token] = top + Math.log(total)
    for (const [n, s] of scores.entries()) {
      const p = Math.exp(s - top) / total
      const from = keyAt(first + n)
      for (let i = 0; i < c.size; i++) o[q + i] = (o[q + i] ?? 0) + p * (inputs.v[from + i] ?? 0)
    }
  })
  return { o, lse }
}

export interface AttentionGradients {
  readonly dq: Float64Array
  readonly dk: Float64Array
  readonly dv: Float64Array
}

/** Gradients of Σ o∘dO. */
export function attentionGradients(
  c: AttentionCase,
  inputs: AttentionInputs,
  dO: Float64Array,
): AttentionGradients {
  const { q, k, v } = inputs
  const totalQ = c.offsetsQ.at(-1) ?? 0
  const { o, lse } = attention(c, inputs)
  const [dq, dk, dv] = [new Float64Array(q.length), new Float64Array(k.length), new Float64Array(v.length)]
  eachRow(c, ({ token, head, q: at, first, last, kvHead }) => {
    let delta = 0
    for (let i = 0; i < c.size; i++) delta += (o[at + i] ?? 0) * (dO[at + i] ?? 0)
    for (let key = first; key < last; key++) {
      const from = (key * c.kvHeads + kvHead) * c.size
      const s = score(c, inputs, at, from)
      const p = Math.exp(s - (lse[head * totalQ + token] ?? 0))
      let dp = 0
      for (let i = 0; i < c.size; i++) dp += (dO[at + i] ?? 0) * (v[from + i] ?? 0)
      const ds = p * (dp - delta) * c.scale * (c.softcap > 0 ? 1 - (s / c.softcap) ** 2 : 1)
      for (let i = 0; i < c.size; i++) {
        dv[from + i] = (dv[from + i] ?? 0) + p * (dO[at + i] ?? 0)
        dq[at + i] = (dq[at + i] ?? 0) + ds * (k[from + i] ?? 0)
        dk[from + i] = (dk[from + i] ?? 0) + ds * (q[at + i] ?? 0)
      }
    }
  })
  return { dq, dk, dv }
}
