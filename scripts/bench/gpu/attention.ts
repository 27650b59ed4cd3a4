/**
 * Attention, forward and backward, of long causal documents: right at sampled rows in f64, and how fast beside torch's
 * scaled_dot_product_attention.
 */
import type { Tensor } from '../../../core/mod.ts'
import { numbersIn, type Rig, setOption, setsFor } from './rig.ts'

interface AttentionShape {
  readonly tokens: number
  readonly heads: number
  readonly kvHeads: number
  readonly headDim: number
}

const SHAPES: readonly AttentionShape[] = [
  { tokens: 2048, heads: 32, kvHeads: 8, headDim: 64 },
  { tokens: 8192, heads: 32, kvHeads: 8, headDim: 64 },
  { tokens: 2048, heads: 32, kvHeads: 8, headDim: 128 },
  { tokens: 8192, heads: 32, kvHeads: 8, headDim: 128 },
]
const TINY: readonly AttentionShape[] = [{ tokens: 40, heads: 4, kvHeads: 2, headDim: 32 }]
const BF16 = 1

export async function attention(rig: Rig): Promise<void> {
  for (const shape of rig.size(SHAPES, TINY)) {
    const { tokens, heads, kvHeads, headDim } = shape
    const name = `T ${tokens}, heads ${heads}/${kvHeads}, d ${headDim}`
    await rig.part(name, () => measure(rig, shape, name))
  }
}

async function measure(rig: Rig, shape: AttentionShape, name: string): Promise<void> {
  const { call, report, options } = rig
  const { tokens, heads, kvHeads, headDim } = shape
  const scale = 1 / Math.sqrt(headDim)
  const offsets = rig.integers([0, tokens])
  const open = (): Sets => {
    const [full, small] = [
      [tokens, heads, headDim],
      [tokens, kvHeads, headDim],
    ]
    return {
      q: rig.random(full),
      k: rig.random(small, 'bf16', 0.9),
      v: rig.random(small, 'bf16', 1.1),
      o: rig.empty(full),
      lse: rig.empty([heads, tokens], 'f32'),
      dO: rig.random(full, 'bf16', 0.7),
      dq: rig.empty(full),
      dk: rig.empty(small),
      dv: rig.empty(small),
    }
  }
  const sets = Array.from({ length: Math.min(4, setsFor(2 * 2 * tokens * heads * headDim)) }, open)
  const shared = [1, tokens, tokens, heads, kvHeads, headDim, scale, 1, 0, 0, BF16, 0] as const
  const at = offsets.address
  const forward = (i: number): void => {
    const { o, lse, q, k, v } = sets[i % sets.length]
    call.tt_attention_forward(o.address, lse.address, q.address, k.address, v.address, at, at, ...shared)
  }
  const backward = (i: number): void => {
    const s = sets[i % sets.length]
    call.tt_attention_backward(
      s.dq.address,
      s.dk.address,
      s.dv.address,
      s.dO.address,
      s.o.address,
      s.lse.address,
      s.q.address,
      s.k.address,
      s.v.address,
      at,
      at,
      ...shared,
    )
  }
  for (let i = 0; i < sets.length; i++) forward(i)
  backward(0)
  const errors = sampledErrors(sets[0], shape, options.seed)
  for (const [part, error] of Object.entries(errors))
    report({
      name: `${part}, ${name}`,
      ok: error < (part === 'o' ? 1e-2 : 2e-2),
      note: `error ${error.toExponential(1)}`,
    })

  const request = { op: 'attention', shape: { ...shape } }
  const pairs = (tokens * (tokens + 1)) / 2
  const flops = { forward: 4 * pairs * headDim * heads, backward: 10 * pairs * headDim * heads }
  const torchForward = await rig.torch({ ...request, mode: 'forward' })
  const torchBoth = await rig.torch({ ...request, mode: 'both' })
  const say = (what: string, seconds: number, torch: typeof torchBoth, work: number): void =>
    report({
      name: `${what}, ${name}`,
      ours: seconds * 1e3,
      theirs: torch && Number(torch.seconds) * 1e3,
      unit: 'ms',
      ratio: torch && Number(torch.seconds) / seconds,
      note: `${(work / seconds / 1e12).toFixed(0)} TFLOP/s${torch ? `; torch: ${String(torch.variant)}` : ''}`,
    })
  const ahead = rig.time(forward)
  say('forward', ahead, torchForward, flops.forward)
  for (const dq of ['deterministic', 'atomic'] as const) {
    await rig.part(
      `backward ${dq}, ${name}`,
      () => {
        setOption(call, 'attention_dq', dq)
        const both = rig.time((i) => {
          forward(i)
          backward(i)
        })
        say(`forward + backward, ${dq} dq`, both, torchBoth, flops.forward + flops.backward)
      },
      { inner: true },
    )
    setOption(call, 'attention_dq', 'deterministic')
  }
}

interface Sets {
  readonly q: Tensor
  readonly k: Tensor
  readonly v: Tensor
  readonly o: Tensor
  readonly lse: Tensor
  readonly dO: Tensor
  readonly dq: Tensor
  readonly dk: Tensor
  readonly dv: Tensor
}

/** ‖got − f64‖ / ‖f64‖ over sampled rows of o, dq, dk and dv. */
function sampledErrors(
  s: Sets,
  { tokens, heads, kvHeads, headDim: d }: AttentionShape,
  seed: number,
): Record<'o' | 'dq' | 'dk' | 'dv', number> {
  const [q, k, v, o, dO, dq, dk, dv] = [s.q, s.k, s.v, s.o, s.dO, s.dq, s.dk, s.dv].map(numbersIn)
  const scale = 1 / Math.sqrt(d)
  const group = heads / kvHeads
  const sums = { o: [0, 0], dq: [0, 0], dk: [0, 0], dv: [0, 0] }
  const compare = (part: keyof typeof sums, got: Float32Array, at: number, expected: Float64Array): void => {
    for (let c = 0; c < d; c++) {
      sums[part][0] += (got[at + c] - expected[c]) ** 2
      sums[part][1] += expected[c] ** 2
    }
  }
  const dot = (a: Float32Array, i: number, b: Float32Array, j: number): number => {
    let sum = 0
    for (let c = 0; c < d; c++) sum += a[i + c] * b[j + c]
    return sum
  }
  /** log Σ exp of row i of head h, from scores in f64. */
  const lseOf = (i: number, h: number): number => {
    const scores = Float64Array.from({ length: i + 1 }, (_, j) => scoreOf(i, j, h))
    const top = scores.reduce((a, b) => Math.max(a, b), -Infinity)
    return top + Math.log(scores.reduce((sum, x) => sum + Math.exp(x - top), 0))
  }
  const kv = (h: number): number => Math.floor(h / group)
  const scoreOf = (i: number, j: number, h: number): number =>
    scale * dot(q, (i * heads + h) * d, k, (j * kvHeads + kv(h)) * d)

  for (let sample = 0; sample < 4; sample++) {
    const h = (sample * 13 + seed) % heads
    const i = sample === 0 ? tokens - 1 : (sample * 7919 + seed) % tokens
    const row = (i * heads + h) * d
    const lse = lseOf(i, h)
    const [out, dQuery] = [new Float64Array(d), new Float64Array(d)]
    const delta = dot(dO, row, o, row)
    for (let j = 0; j <= i; j++) {
      const at = (j * kvHeads + kv(h)) * d
      const p = Math.exp(scoreOf(i, j, h) - lse)
      const ds = p * (dot(dO, row, v, at) - delta) * scale
      for (let c = 0; c < d; c++) {
        out[c] += p * v[at + c]
        dQuery[c] += ds * k[at + c]
      }
    }
    compare('o', o, row, out)
    compare('dq', dq, row, dQuery)
  }
  // One key near the end of the document: few queries see it, so few rows have to be computed again.
  const g = seed % kvHeads
  const j = Math.max(0, tokens - 24)
  const [dKey, dValue] = [new Float64Array(d), new Float64Array(d)]
  for (let h = g * group; h < (g + 1) * group; h++) {
    for (let i = j; i < tokens; i++) {
      const row = (i * heads + h) * d
      const p = Math.exp(scoreOf(i, j, h) - lseOf(i, h))
      const ds = p * (dot(dO, row, v, (j * kvHeads + g) * d) - dot(dO, row, o, row)) * scale
      for (let c = 0; c < d; c++) {
        dKey[c] += ds * q[row + c]
        dValue[c] += p * dO[row + c]
      }
    }
  }
  compare('dk', dk, (j * kvHeads + g) * d, dKey)
  compare('dv', dv, (j * kvHeads + g) * d, dValue)
  const errorOf = ([error, size]: number[]): number => Math.sqrt(error / Math.max(size, 1e-300))
  return { o: errorOf(sums.o), dq: errorOf(sums.dq), dk: errorOf(sums.dk), dv: errorOf(sums.dv) }
}
