/**
 * Cases of the op table for packed weights, 8-bit codes, 8-bit AdamW and bit planes. Codes and planes are exact: their
 * tolerance is 0.
 */
import * as t from '../../core/mod.ts'
import type { InputSpec, OpCase } from './op-case.ts'

type Inputs = Readonly<Record<string, t.Tensor>>

const NOISE = { seed: 1234567890123, step: 3, offset: 5 }
const F32: OpCase['dtypes'] = ['f32']
const EXACT: OpCase['tolerance'] = { f32: 0, bf16: 0 }

const frozen = (shape: t.Shape): InputSpec => ({ shape, grad: false })
const fixed = (shape: t.Shape): InputSpec => ({ shape, dtype: 'f32' })
const positive = (shape: t.Shape): InputSpec => ({ shape, dtype: 'f32', values: 'positive', grad: false })
const bytes = (shape: t.Shape): InputSpec => ({ shape, dtype: 'u8', below: 256 })

/** Deterministic whole numbers from `low` to `high`. */
function whole(shape: t.Shape, low: number, high: number): number[] {
  return Array.from(
    { length: t.sizeOf(shape) },
    (_, i) => low + ((i * 7919 + (i >> 3) * 104729) % (high - low + 1)),
  )
}
const int8 = (shape: t.Shape): InputSpec => ({ shape, dtype: 'i8', values: whole(shape, -127, 127) })
const trits = (shape: t.Shape): InputSpec => ({ shape, dtype: 'i8', values: whole(shape, -1, 1) })
/** Bytes of four codes from 0 to 2. */
function ternaryBytes(shape: t.Shape): InputSpec {
  const codes = [0, 1, 2, 3].map((p) => whole([t.sizeOf(shape) + p], 0, 2).slice(p))
  const values = codes[0].map((_, i) => codes.reduce((byte, list, p) => byte + (list[i] << (2 * p)), 0))
  return { shape, dtype: 'u8', values }
}

// ---- quantizing -------------------------------------------------------------------------------------------------

/** Numbers with a short last block, a block of zeros, NaN, Inf and both ends. */
const awkward = Array.from({ length: 64 * 5 + 7 }, (_, i) => {
  if (i >= 64 && i < 128) return 0
  if (i === 130) return Number.NaN
  if (i === 200) return Number.POSITIVE_INFINITY
  return Math.sin(i * 1.7) * 10 ** ((i % 9) - 4)
})

const quantizing: readonly OpCase[] = [
  ...(['nf4', 'fp4'] as const).flatMap((kind) => [
    ...[64, 128, 1024].map((block) => ({
      name: `quantize_4bit ${kind}, blocks of ${block}`,
      inputs: { x: frozen([37, 61]) },
      run: ({ x }: Inputs) => {
        const { packed, absmax } = t.run(t.quantize4bitOp, { x }, { kind, block })
        return [packed, absmax]
      },
      tolerance: EXACT,
    })),
    {
      name: `quantize_4bit ${kind} of zeros, NaN and Inf`,
      inputs: { x: { ...frozen([awkward.length]), values: awkward } },
      run: ({ x }: Inputs) => {
        const { packed, absmax } = t.run(t.quantize4bitOp, { x }, { kind, block: 64 })
        return [packed, absmax]
      },
      tolerance: EXACT,
    },
    {
      name: `double quantization of ${kind}`,
      inputs: { w: frozen([151, 129]) },
      run: ({ w }: Inputs) => {
        const packed = t.quantize4bit(w, { kind })
        const { data, scale, nested } = packed.parts
        const offset = t.tensor([packed.offset], { device: w.device })
        return [data, scale, nested ?? offset, offset, t.dequantizeWeight(packed)]
      },
    },
  ]),
  ...[true, false].flatMap((signed): OpCase[] => [
    {
      name: `quantize_8bit ${signed ? 'signed' : 'unsigned'}`,
      inputs: {
        x: { ...fixed([1003]), grad: false },
        y: { ...frozen([awkward.length]), dtype: 'f32', values: awkward },
      },
      run: ({ x, y }: Inputs) => {
        const [first, second] = [t.quantize8bit(x, { signed }), t.quantize8bit(y, { signed, block: 64 })]
        return [first.codes, first.absmax, second.codes, second.absmax]
      },
      tolerance: EXACT,
      dtypes: F32,
    },
    {
      name: `dequantize_8bit ${signed ? 'signed' : 'unsigned'}`,
      inputs: { codes: bytes([1003]), absmax: positive([4]) },
      run: (quantized: Inputs) => [
        t.dequantize8bit({ codes: quantized.codes, absmax: quantized.absmax }, { signed }),
      ],
      tolerance: EXACT,
      dtypes: F32,
    },
  ]),
  {
    name: 'quantize_int8',
    inputs: {
      x: frozen([7, 131]),
      z: { ...frozen([2, 5]), values: [0, 0, 0, 0, 0, 0.5, -1.5, 2.5, 127, -127] },
    },
    run: ({ x, z }) => [x, z].flatMap((one) => Object.values(t.quantizeRows(one))),
    tolerance: EXACT,
  },
  {
    name: 'quantize_ternary',
    inputs: {
      w: frozen([12, 131]),
      wide: frozen([8, 192]),
      zeros: { ...frozen([4, 3]), values: whole([12], 0, 0) },
    },
    run: ({ w, wide, zeros }) =>
      [
        ...[w, wide, zeros].map((one) => t.quantizeTernary(one)),
        t.quantizeTernary(w, { block: 131 }),
        t.quantizeTernary(zeros, { block: 3 }),
        t.quantizeTernary(wide, { block: 64 }),
        t.quantizeTernary(wide, { block: 192 }),
      ].flatMap(({ parts: { data, scale } }) => [data, scale]),
    tolerance: EXACT,
  },
]

// ---- weights ----------------------------------------------------------------------------------------------------

interface Packed {
  readonly inputs: Readonly<Record<string, InputSpec>>
  weight(inputs: Inputs): t.QuantizedWeight
}

function blockwise(kind: 'nf4' | 'fp4', shape: t.Shape, { block = 64, nested = false } = {}): Packed {
  const n = t.sizeOf(shape)
  const blocks = Math.ceil(n / block)
  return {
    inputs: {
      data: bytes([Math.ceil(n / 2)]),
      scale: nested ? bytes([blocks]) : positive([blocks]),
      ...(nested ? { nested: positive([Math.ceil(blocks / 256)]) } : {}),
    },
    weight: ({ data, scale, nested }) =>
      t.quantizedWeight({ kind, shape, parts: { data, scale, nested }, block, offset: nested ? 1.25 : 0 }),
  }
}

function absmaxRows(shape: t.Shape): Packed {
  return {
    inputs: { data: int8(shape), scale: positive([shape[0]]) },
    weight: ({ data, scale }) => t.quantizedWeight({ kind: 'int8', shape, parts: { data, scale } }),
  }
}

/** `group`: columns that share a scale; shapes that it does not divide take one for each row. */
function ternary(shape: t.Shape, group: number): Packed {
  const [rows, columns] = shape
  const block = group > 0 && columns % group !== 0 ? columns : group
  return {
    inputs: {
      data: ternaryBytes([rows / 4, columns]),
      scale: positive(block === 0 ? [1] : [rows, columns / block]),
    },
    weight: ({ data, scale }) => t.quantizedWeight({ kind: 'ternary', shape, parts: { data, scale }, block }),
  }
}

const weights: Readonly<Record<string, (shape: t.Shape) => Packed>> = {
  nf4: (shape) => blockwise('nf4', shape),
  'nf4 with nested scales': (shape) => blockwise('nf4', shape, { nested: true }),
  'fp4 in blocks of 128': (shape) => blockwise('fp4', shape, { block: 128 }),
  'fp4 with nested scales': (shape) => blockwise('fp4', shape, { block: 256, nested: true }),
  int8: absmaxRows,
  ternary: (shape) => ternary(shape, 0),
  'ternary by rows or groups': (shape) => ternary(shape, 64),
}

interface LinearShape {
  readonly rows?: readonly number[]
  readonly inner?: number
  readonly out?: number
  readonly rank?: number
  readonly bias?: boolean
  readonly dropout?: number
  readonly threshold?: number
}

function linearCase(
  kind: string,
  what: string,
  { rows = [33], inner = 65, out = 36, rank = 0, bias = false, dropout = 0, threshold = 0 }: LinearShape,
): OpCase {
  const packed = weights[kind]([out, inner])
  return {
    name: `linear_quantized ${kind}${what}`,
    inputs: {
      x: { shape: [...rows, inner] },
      ...packed.inputs,
      ...(bias ? { bias: { shape: [out] } } : {}),
      ...(rank > 0 ? { a: fixed([rank, inner]), b: fixed([out, rank]) } : {}),
    },
    run: ({ x, bias, a, b, ...parts }) =>
      t.withNoise(NOISE, () => [
        t.linearQuantized(x, packed.weight(parts), {
          bias,
          lora: a && { a, b, scale: 0.5, dropout, site: t.siteOf('layer') },
          threshold,
        }),
      ]),
    // The numbers that int8 rounding throws away depend on bits that bf16 lacks.
    straightThrough: kind === 'int8' || kind.startsWith('ternary') ? ['x'] : [],
  }
}

const linears: readonly OpCase[] = [
  ...Object.keys(weights).flatMap((kind) => [
    {
      name: `dequantize ${kind}`,
      inputs: weights[kind]([36, 131]).inputs,
      run: (parts: Inputs) => {
        const packed = weights[kind]([36, 131]).weight(parts)
        return [t.dequantizeWeight(packed), t.dequantizeWeight(packed, 'bf16')]
      },
      dtypes: F32,
      // Products of three f32 numbers may be rounded in another order.
      tolerance: { f32: kind.startsWith('nf4') || kind.startsWith('fp4') ? 0 : 4e-3 },
    },
    linearCase(kind, '', {}),
    linearCase(kind, ' of one row', { rows: [1], bias: true }),
    linearCase(kind, ' with bias, lora and dropout', { rows: [2, 9], rank: 8, bias: true, dropout: 0.25 }),
    linearCase(kind, ' 128 → 132 of 5 rows, lora', { rows: [5], inner: 128, out: 132, rank: 16 }),
    linearCase(kind, ' 192 → 72 of 70 rows', { rows: [70], inner: 192, out: 72 }),
  ]),
  linearCase('int8', ' with outlier columns', { threshold: 2.5, bias: true }),
  linearCase('int8', ' with outlier columns of one row', { rows: [1], threshold: 1.5, rank: 4 }),
  linearCase('int8', ' where every column is an outlier', { threshold: 1e-9 }),
  ...['x', 'bias', 'a', 'b'].map((trained) => {
    const packed = blockwise('nf4', [20, 33], { nested: true })
    return {
      name: `linear_quantized where only ${trained} trains`,
      inputs: {
        ...packed.inputs,
        x: { shape: [19, 33], grad: trained === 'x' },
        bias: { shape: [20], grad: trained === 'bias' },
        a: { ...fixed([4, 33]), grad: trained === 'a' },
        b: { ...fixed([20, 4]), grad: trained === 'b' },
      },
      run: ({ x, bias, a, b, ...parts }: Inputs) => [
        t.linearQuantized(x, packed.weight(parts), { bias, lora: { a, b, scale: 2 } }),
      ],
    }
  }),
  {
    name: 'linear_quantized layers of one tensor',
    inputs: { x: { shape: [33, 65] }, ...absmaxRows([20, 65]).inputs, q: { shape: [37, 65] } },
    run({ x, q, ...parts }) {
      const h = t.silu(x)
      const packed = absmaxRows([20, 65]).weight(parts)
      return [t.linear(h, q), t.linearQuantized(h, packed), t.linearQuantized(h, packed, { threshold: 1 })]
    },
    straightThrough: ['x'],
  },
]

// ---- AdamW ------------------------------------------------------------------------------------------------------

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

function adamw8bitCase(name: string, n: number, grad: InputSpec, master: boolean): OpCase {
  const blocks = Math.ceil(n / 256)
  return {
    name,
    inputs: {
      weight: frozen([n]),
      ...(master ? { master: { ...fixed([n]), grad: false } } : {}),
      m8: bytes([n]),
      v8: bytes([n]),
      mAbsmax: positive([blocks]),
      vAbsmax: positive([blocks]),
      grad,
    },
    run({ weight, master, m8, v8, mAbsmax, vAbsmax, grad }) {
      t.adamw8bitStep({ weight, master: master ?? null, m8, v8, mAbsmax, vAbsmax, grad }, STEP)
      const m = t.dequantize8bit({ codes: m8, absmax: mAbsmax })
      const v = t.dequantize8bit({ codes: v8, absmax: vAbsmax }, { signed: false })
      return [weight, ...(master ? [master] : []), m, v, mAbsmax, vAbsmax]
    },
  }
}

const withHoles = Array.from({ length: 300 }, (_, i) =>
  i % 50 === 3 ? [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY][i % 3] : Math.cos(i),
)

const updates: readonly OpCase[] = [
  adamw8bitCase('adamw_8bit', 1003, { ...fixed([1003]), grad: false }, false),
  adamw8bitCase('adamw_8bit with master weights', 777, { ...fixed([777]), grad: false }, true),
  adamw8bitCase('adamw_8bit of NaN and Inf', 300, { ...fixed([300]), grad: false, values: withHoles }, false),
  {
    name: 'adamw of many parameters',
    inputs: {
      w: frozen([70, 31]),
      u: frozen([5]),
      m: { ...fixed([70, 31]), grad: false },
      v: positive([70, 31]),
      grad: { ...fixed([70, 31]), grad: false },
      small: { ...fixed([5]), grad: false },
    },
    run({ w, u, m, v, grad, small }) {
      const [m2, v2] = [t.zeros([5], { device: w.device }), t.zeros([5], { device: w.device })]
      t.runMany(t.adamwOp, [
        t.adamwCall({ weight: w, master: null, m, v, grad }, STEP),
        t.adamwCall({ weight: u, master: null, m: m2, v: v2, grad: small }, { ...STEP, weightDecay: 0 }),
      ])
      return [w, m, v, u, m2, v2]
    },
  },
]

// ---- bit planes -------------------------------------------------------------------------------------------------

const hypervectors: readonly OpCase[] = [31, 32, 100, 1000].flatMap((dims): OpCase[] => [
  {
    name: `vsa of ${dims} dimensions: pack, unpack, product, bind, unbind, permute`,
    inputs: { a: trits([3, dims]), b: { ...trits([3, dims]), values: whole([3, dims], -1, 1).toReversed() } },
    run({ a, b }: Inputs) {
      const [x, y] = [t.vsaPack(a), t.vsaPack(b)]
      const results = [t.vsaProduct, t.vsaBind, t.vsaUnbind].flatMap((combine) => [
        combine(x, y, { dims }),
        combine(x, t.slice(y, { end: 1 }), { dims }),
      ])
      results.push(x)
      for (const shift of [1, -1, 31, 32, -33, dims, 5 * dims + 7])
        results.push(t.vsaPermute(y, { dims, shift }))
      return results.map((planes) => t.vsaUnpack(planes, { dims }))
    },
    tolerance: EXACT,
    dtypes: F32,
  },
  {
    name: `vsa of ${dims} dimensions: bundle, similarity`,
    inputs: { x: trits([12, dims]), weights: { ...fixed([12]), grad: false } },
    run({ x, weights }: Inputs) {
      const planes = t.vsaPack(x)
      const bundles = [1, 2, 3, 4, 12].flatMap((count) => [
        t.vsaBundle(planes, { dims, count }),
        t.vsaBundle(planes, { dims, count, weights }),
      ])
      return [
        ...bundles.map((bundle) => t.vsaUnpack(bundle, { dims })),
        ...bundles.flatMap((bundle) => [
          t.vsaSimilarity(bundle, planes, { dims }),
          t.vsaSimilarity(bundle, planes, { dims, metric: 'hamming' }),
        ]),
      ]
    },
    tolerance: EXACT,
    dtypes: F32,
  },
])

export const QUANTIZED_CASES: readonly OpCase[] = [...quantizing, ...linears, ...updates, ...hypervectors]
