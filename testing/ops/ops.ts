/**
 * Every op, once: the table behind the gradient checks, the comparison of devices, the support matrix and the op
 * benchmarks. Sizes are odd on purpose: they cross the vector, tile and thread boundaries of the kernels.
 */
import * as t from '../../core/mod.ts'
import type { InputSpec, OpCase } from './op-case.ts'
import { QUANTIZED_CASES } from './quantized-ops.ts'

const i32 = (values: readonly number[]): InputSpec => ({ shape: [values.length], dtype: 'i32', values })
const fixed = (shape: t.Shape): InputSpec => ({ shape, dtype: 'f32' })
const frozen = (shape: t.Shape): InputSpec => ({ shape, grad: false })

const NOISE = { seed: 1234567890123, step: 3, offset: 5 }
const KEY: Uint32Array<ArrayBuffer> = Uint32Array.of(1, 2, 3, 4, 5, 0)
const F32: OpCase['dtypes'] = ['f32']

/** `a` op `b` for some shapes that broadcast. */
function binaryCases(
  name: string,
  f: (a: t.Tensor, b: t.Tensor) => t.Tensor,
  values: InputSpec['values'],
): OpCase[] {
  const shapes: [t.Shape, t.Shape][] = [
    [
      [3, 37],
      [3, 37],
    ],
    [
      [3, 1, 5],
      [4, 1],
    ],
    [
      [2, 3, 4, 5],
      [3, 1, 5],
    ],
    [[7], []],
  ]
  return shapes.map(([a, b]) => ({
    name: `${name} ${t.formatShape(a)} ${t.formatShape(b)}`,
    inputs: { a: { shape: a, values }, b: { shape: b, values } },
    run: ({ a, b }) => [f(a, b)],
  }))
}

function unaryCases(): OpCase[] {
  const { neg, exp, tanh, sigmoid, relu, abs, sin, cos, square, silu, gelu } = t
  const anywhere = { neg, exp, tanh, sigmoid, relu, abs, sin, cos, square, silu, gelu }
  const { log, sqrt, rsqrt, reciprocal } = t
  const cases = (fs: Record<string, (x: t.Tensor) => t.Tensor>, values: InputSpec['values']): OpCase[] =>
    Object.entries(fs).map(([name, f]) => ({
      name,
      inputs: { x: { shape: [5, 61], values } },
      run: ({ x }) => [f(x)],
    }))
  return [
    ...cases(anywhere, 'normal'),
    ...cases({ log, sqrt, rsqrt, reciprocal }, 'positive'),
    {
      name: 'gelu tanh',
      inputs: { x: { shape: [301] } },
      run: ({ x }) => [t.gelu(x, { approximate: 'tanh' })],
    },
    { name: 'exp of a scalar', inputs: { x: { shape: [] } }, run: ({ x }) => [t.exp(x)] },
    { name: 'exp of nothing', inputs: { x: { shape: [0, 3] } }, run: ({ x }) => [t.exp(x)] },
    {
      name: 'affine',
      inputs: { x: { shape: [70001] } },
      run: ({ x }) => [t.affine(x, { scale: -1.5, shift: 2 })],
    },
    {
      name: 'functions with a number',
      inputs: { x: { shape: [3, 7] } },
      run: ({ x }) => [
        t.add(x, 2),
        t.sub(x, 2),
        t.mul(x, -3),
        t.div(x, 4),
        t.maximum(x, 0.5),
        t.minimum(x, -0.5),
      ],
    },
  ]
}

const elementwise: readonly OpCase[] = [
  ...binaryCases('add', t.add, 'normal'),
  ...binaryCases('sub', t.sub, 'normal'),
  ...binaryCases('mul', t.mul, 'normal'),
  ...binaryCases('div', t.div, 'positive'),
  ...binaryCases('maximum', t.maximum, 'normal'),
  ...binaryCases('minimum', t.minimum, 'normal'),
  ...binaryCases('greater', t.greater, 'small'),
  ...binaryCases('equal', t.equal, 'small'),
  ...unaryCases(),
  {
    name: 'add of one tensor twice',
    inputs: { x: { shape: [9] } },
    run: ({ x }) => [t.add(x, x), t.mul(x, x)],
  },
  {
    name: 'swiglu',
    inputs: { gate: { shape: [17, 33] }, up: { shape: [17, 33] } },
    run: ({ gate, up }) => [t.swiglu(gate, up)],
  },
  {
    name: 'geglu',
    inputs: { gate: { shape: [17, 33] }, up: { shape: [17, 33] } },
    run: ({ gate, up }) => [t.geglu(gate, up), t.geglu(gate, up, { approximate: 'tanh' })],
  },
  {
    name: 'dropout',
    inputs: { x: { shape: [31, 67] } },
    run: ({ x }) =>
      t.withNoise(NOISE, () => [t.dropout(x, { p: 0.3, site: 77 }), t.dropout(x, { p: 0, site: 1 })]),
  },
  {
    name: 'cast',
    inputs: { x: fixed([300]) },
    run: ({ x }) => [t.cast(x, 'f32'), t.cast(x, 'bf16')],
    dtypes: F32,
  },
  {
    name: 'cast between all floats',
    inputs: { x: { shape: [300], grad: false }, ids: { shape: [5], dtype: 'i32', below: 100 } },
    run: ({ x, ids }) => [
      t.cast(t.cast(x, 'f16'), 'bf16'),
      t.cast(t.cast(x, 'bf16'), 'f16'),
      t.cast(ids, 'f32'),
    ],
  },
  { name: 'scale in place', inputs: { x: frozen([77]) }, run: ({ x }) => (t.scaleInPlace(x, 0.25), [x]) },
  {
    name: 'add_to',
    inputs: { x: frozen([1001]), y: { shape: [1001], dtype: 'f32', grad: false } },
    run: ({ x, y }) => (t.addTo(y, x), [y]),
  },
]

const reductions: readonly OpCase[] = [
  ...[null, 0, 1, -1].map((axis) => ({
    name: `reduce over ${axis}`,
    inputs: { x: { shape: [5, 33, 7] } },
    run: ({ x }: Readonly<Record<string, t.Tensor>>) => [
      t.sum(x, { axis }),
      t.mean(x, { axis, keepDims: true }),
      t.amax(x, { axis }),
    ],
  })),
  {
    name: 'sum of a long row',
    inputs: { x: { shape: [100003], values: 'positive' } },
    run: ({ x }) => [t.sum(x)],
  },
  { name: 'softmax', inputs: { x: { shape: [5, 33] } }, run: ({ x }) => [t.softmax(x)] },
  { name: 'softmax of one', inputs: { x: { shape: [4, 1] } }, run: ({ x }) => [t.softmax(x)] },
  {
    name: 'sum_squares',
    inputs: { x: frozen([10007]), y: { shape: [3], dtype: 'f32', grad: false } },
    run: ({ x, y }) => [t.tensor([t.sumSquaresOf([x, y])], { device: x.device })],
  },
  {
    name: 'find_nonfinite',
    inputs: { x: { shape: [5], values: [1, 2, 3, Infinity, NaN], grad: false }, y: frozen([1000]) },
    run: ({ x, y }) => [t.tensor([t.firstNonFinite(x), t.firstNonFinite(y)], { device: x.device })],
  },
]

const movement: readonly OpCase[] = [
  { name: 'reshape', inputs: { x: { shape: [4, 6] } }, run: ({ x }) => [t.reshape(x, [2, -1, 3])] },
  { name: 'permute', inputs: { x: { shape: [2, 3, 4, 5] } }, run: ({ x }) => [t.permute(x, [2, 0, 3, 1])] },
  {
    name: 'transpose',
    inputs: { x: { shape: [37, 65] } },
    run: ({ x }) => [t.transpose(x), t.transpose(x, 0, 1)],
  },
  {
    name: 'slice',
    inputs: { x: { shape: [5, 6, 7] } },
    run: ({ x }) => [
      t.slice(x, { end: 2 }),
      t.slice(x, { start: 1, end: 3 }),
      t.slice(x, { axis: 1, start: 2 }),
      t.slice(x, { axis: -1, start: 3, end: 4 }),
      t.slice(x, { axis: 1, start: 2, end: 2 }),
    ],
  },
  {
    name: 'concat',
    inputs: { a: { shape: [2, 3] }, b: { shape: [2, 4] }, c: { shape: [1, 3] } },
    run: ({ a, b, c }) => [t.concat([a, b, a], { axis: 1 }), t.concat([a, c])],
  },
  { name: 'expand', inputs: { x: { shape: [3, 1] } }, run: ({ x }) => [t.expand(x, [2, 3, 5])] },
  {
    name: 'embedding',
    inputs: { table: { shape: [11, 33] }, ids: i32([3, 3, 10, 0, 3, 7, 1]) },
    run: ({ table, ids }) => [t.embedding(table, ids)],
  },
]

/** All four transposes of (m, k)·(k, n), with leading axes. */
function matmulCases(m: number, k: number, n: number, leadA: t.Shape, leadB: t.Shape): OpCase[] {
  return [0, 1, 2, 3].map((bits) => {
    const [transposeA, transposeB] = [(bits & 1) > 0, (bits & 2) > 0]
    const a = [...leadA, ...(transposeA ? [k, m] : [m, k])]
    const b = [...leadB, ...(transposeB ? [n, k] : [k, n])]
    return {
      name: `matmul ${t.formatShape(a)}${transposeA ? 'ᵀ' : ''} ${t.formatShape(b)}${transposeB ? 'ᵀ' : ''}`,
      inputs: { a: { shape: a }, b: { shape: b } },
      run: ({ a, b }: Readonly<Record<string, t.Tensor>>) => [t.matmul(a, b, { transposeA, transposeB })],
    }
  })
}

function linearCase(
  name: string,
  { rows = [33], inner = 65, out = 37, rank = 0, bias = false, dropout = 0 },
): OpCase {
  const lora: Record<string, InputSpec> = rank ? { a: fixed([rank, inner]), b: fixed([out, rank]) } : {}
  const offset: Record<string, InputSpec> = bias ? { bias: { shape: [out] } } : {}
  return {
    name,
    inputs: { x: { shape: [...rows, inner] }, weight: { shape: [out, inner] }, ...offset, ...lora },
    run: ({ x, weight, bias, a, b }) =>
      t.withNoise(NOISE, () => [
        t.linear(x, weight, { bias, lora: a && { a, b, scale: 0.5, dropout, site: t.siteOf('layer') } }),
      ]),
  }
}

const products: readonly OpCase[] = [
  ...matmulCases(17, 33, 9, [], []),
  ...matmulCases(5, 4, 3, [2, 3], [2, 3]),
  ...matmulCases(5, 4, 3, [6], []),
  ...matmulCases(5, 4, 3, [], [6]),
  ...matmulCases(2, 3, 4, [2, 1], [1, 3]),
  ...[1, 5].map((rows) => ({
    name: `matmul of ${rows} rows with f32 results`,
    inputs: { a: { shape: [rows, 40] }, b: { shape: [19, 40] } },
    run: ({ a, b }: Readonly<Record<string, t.Tensor>>) => [t.matmul(a, b, { transposeB: true, wide: true })],
  })),
  linearCase('linear', {}),
  linearCase('linear of one row', { rows: [1], bias: true }),
  linearCase('linear (2, 9, 65) with bias', { rows: [2, 9], bias: true }),
  linearCase('linear with lora', { rank: 4 }),
  linearCase('linear with bias, lora and dropout', { rank: 8, bias: true, dropout: 0.25 }),
  linearCase('linear 70 → 130, rank 16', { rows: [67], inner: 70, out: 130, rank: 16 }),
  ...['x', 'weight', 'bias', 'a', 'b'].map((trained) => ({
    name: `linear where only ${trained} trains`,
    inputs: {
      x: { shape: [19, 33], grad: trained === 'x' },
      weight: { shape: [21, 33], grad: trained === 'weight' },
      bias: { shape: [21], grad: trained === 'bias' },
      a: { ...fixed([4, 33]), grad: trained === 'a' },
      b: { ...fixed([21, 4]), grad: trained === 'b' },
    },
    run: ({ x, weight, bias, a, b }: Readonly<Record<string, t.Tensor>>) => [
      t.linear(x, weight, { bias, lora: { a, b, scale: 2 } }),
    ],
  })),
  {
    name: 'linear layers of one tensor',
    inputs: {
      x: { shape: [33, 65] },
      q: { shape: [37, 65] },
      k: { shape: [17, 65] },
      a: fixed([8, 65]),
      b: fixed([17, 8]),
    },
    run({ x, q, k, a, b }) {
      const h = t.silu(x)
      return [t.linear(h, q), t.linear(h, k, { lora: { a, b, scale: 0.5 } }), t.linear(h, q)]
    },
  },
  ...['h', 'weight'].map((trained) => ({
    name: `linear_cross_entropy where only ${trained} trains`,
    inputs: {
      h: { shape: [3, 35], grad: trained === 'h' },
      weight: { shape: [67, 35], grad: trained === 'weight' },
      targets: i32([1, 66, -100]),
    },
    run: ({ h, weight, targets }: Readonly<Record<string, t.Tensor>>) => [
      t.linearCrossEntropy(h, weight, targets, { scale: 1 }),
    ],
  })),
  ...[0, 2].map((softcap) => ({
    name: `linear_cross_entropy, log-probabilities, softcap ${softcap}`,
    inputs: {
      h: { shape: [9, 35] },
      weight: { shape: [67, 35], grad: false },
      targets: i32([1, 66, -100, 0, 5, 5, -100, 30, 2]),
    },
    run: ({ h, weight, targets }: Readonly<Record<string, t.Tensor>>) => [
      t.linearLogProbs(h, weight, targets, { softcap }),
    ],
  })),
  ...[0, 2].map((softcap) => ({
    name: `linear_cross_entropy, softcap ${softcap}`,
    inputs: {
      h: { shape: [9, 35] },
      weight: { shape: [67, 35] },
      targets: i32([1, 66, -100, 0, 5, 5, -100, 30, 2]),
    },
    run: ({ h, weight, targets }: Readonly<Record<string, t.Tensor>>) => [
      t.linearCrossEntropy(h, weight, targets, { scale: 0.25, softcap }),
      t.linearNll(h, weight, targets, { softcap }),
    ],
  })),
]

const norms: readonly OpCase[] = [
  ...['x', 'weight', 'bias'].map((trained) => ({
    name: `norms where only ${trained} trains`,
    inputs: {
      x: { shape: [5, 67], grad: trained === 'x' },
      weight: { shape: [67], grad: trained === 'weight' },
      bias: { shape: [67], grad: trained === 'bias' },
    },
    run: ({ x, weight, bias }: Readonly<Record<string, t.Tensor>>) => [
      t.layerNorm(x, weight, bias),
      ...(trained === 'bias' ? [] : [t.rmsNorm(x, weight)]),
    ],
  })),
  {
    name: 'rms_norm',
    inputs: { x: { shape: [3, 5, 67] }, weight: { shape: [67] } },
    run: ({ x, weight }) => [t.rmsNorm(x, weight)],
  },
  {
    name: 'rms_norm with residual',
    inputs: { x: { shape: [5, 67] }, residual: { shape: [5, 67] }, weight: { shape: [67] } },
    run({ x, residual, weight }) {
      const { h, y } = t.addRmsNorm(x, residual, weight)
      return [h, y]
    },
  },
  {
    name: 'layer_norm',
    inputs: { x: { shape: [7, 65] }, weight: { shape: [65] }, bias: { shape: [65] } },
    run: ({ x, weight, bias }) => [t.layerNorm(x, weight, bias), t.layerNorm(x, weight)],
  },
  {
    name: 'layer_norm with residual',
    inputs: {
      x: { shape: [7, 65] },
      residual: { shape: [7, 65] },
      weight: { shape: [65] },
      bias: { shape: [65] },
    },
    run({ x, residual, weight, bias }) {
      const { h, y } = t.addLayerNorm(x, residual, weight, bias)
      return [h, y]
    },
  },
]

interface AttentionShape {
  readonly q: t.Shape
  readonly k: t.Shape
  readonly offsetsQ: readonly number[]
  readonly offsetsK: readonly number[]
  readonly options?: { readonly causal?: boolean; readonly window?: number; readonly softcap?: number }
}

function attentionCase(name: string, { q, k, offsetsQ, offsetsK, options = {} }: AttentionShape): OpCase {
  return {
    name: `attention ${name}`,
    inputs: {
      q: { shape: q },
      k: { shape: k },
      v: { shape: k },
      offsetsQ: i32(offsetsQ),
      offsetsK: i32(offsetsK),
    },
    run: ({ q, k, v, offsetsQ, offsetsK }) => [
      t.attention(q, k, v, { offsetsQ, offsetsK, scale: 1 / Math.sqrt(q.shape[2]), ...options }),
    ],
  }
}

const documents = {
  q: [21, 4, 16],
  k: [21, 2, 16],
  offsetsQ: [0, 5, 6, 21],
  offsetsK: [0, 5, 6, 21],
} as const
const longer = { q: [9, 2, 8], k: [15, 1, 8], offsetsQ: [0, 4, 9], offsetsK: [0, 7, 15] } as const

const sequences: readonly OpCase[] = [
  ...[16, 12].map((rotary) => ({
    name: `rope, ${rotary} of 16 channels`,
    inputs: {
      x: { shape: [7, 3, 16] },
      cos: { ...fixed([9, rotary / 2]), grad: false },
      sin: { ...fixed([9, rotary / 2]), grad: false },
      positions: i32([0, 1, 2, 0, 1, 8, 3]),
    },
    run: ({ x, ...tables }: Readonly<Record<string, t.Tensor>>) => [
      t.rope(x, { cos: tables.cos, sin: tables.sin, positions: tables.positions }),
    ],
  })),
  attentionCase('of documents', documents),
  attentionCase('both ways', { ...documents, options: { causal: false } }),
  attentionCase('in a window', { ...documents, options: { window: 4 } }),
  attentionCase('both ways, in a window', { ...longer, options: { causal: false, window: 3 } }),
  attentionCase('with softcap', { ...documents, options: { softcap: 1.5 } }),
  attentionCase('to more keys than queries', longer),
  attentionCase('to more keys, in a window', { ...longer, options: { window: 3 } }),
  attentionCase('of a long document', {
    q: [130, 3, 20],
    k: [130, 3, 20],
    offsetsQ: [0, 130],
    offsetsK: [0, 130],
  }),
  attentionCase('with queries that see nothing', {
    q: [5, 2, 8],
    k: [3, 2, 8],
    offsetsQ: [0, 5],
    offsetsK: [0, 3],
  }),
]

const STEP = {
  lr: 0.01,
  beta1: 0.9,
  beta2: 0.95,
  eps: 1e-8,
  weightDecay: 0.1,
  bias1: 0.1,
  bias2: 0.05,
  gradScale: 0.5,
}
const adamwInputs = {
  m: { ...fixed([1003]), grad: false },
  v: { ...fixed([1003]), values: 'positive', grad: false },
  grad: { ...fixed([1003]), grad: false },
} as const

const updates: readonly OpCase[] = [
  {
    name: 'adamw',
    inputs: { weight: frozen([1003]), ...adamwInputs },
    run: ({ weight, m, v, grad }) => (
      t.adamwStep({ weight, master: null, m, v, grad }, STEP),
      [weight, m, v]
    ),
  },
  {
    name: 'adamw with master weights',
    inputs: { weight: frozen([1003]), master: { ...fixed([1003]), grad: false }, ...adamwInputs },
    run: ({ weight, master, m, v, grad }) => (
      t.adamwStep({ weight, master, m, v, grad }, STEP),
      [weight, master, m, v]
    ),
  },
  ...[
    { temperature: 0, topK: 0, topP: 1 },
    { temperature: 1, topK: 0, topP: 1 },
    { temperature: 0.7, topK: 5, topP: 0.8 },
  ].map((options) => ({
    name: `sample ${JSON.stringify(options)}`,
    inputs: { logits: frozen([13, 301]), history: i32([1, 5, 300, 5]) },
    run: ({ logits, history }: Readonly<Record<string, t.Tensor>>) => [
      t.sample(logits, { ...options, repetitionPenalty: 1.3, history, key: KEY }),
      t.sample(logits, { ...options, repetitionPenalty: 1, history: null, key: KEY }),
    ],
    tolerance: { f32: 0, bf16: 0 },
  })),
]

/** The cases of all built-in ops: what `deviceContract()` tries a device with. */
export const OP_CASES: readonly OpCase[] = [
  ...elementwise,
  ...reductions,
  ...movement,
  ...products,
  ...norms,
  ...sequences,
  ...updates,
  ...QUANTIZED_CASES,
]
