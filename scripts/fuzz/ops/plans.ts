/**
 * Arguments of ops, as they are meant: one plan for each op by its name. A new op without a plan fails a test.
 */
import type { QuantizedKind } from '../../../core/mod.ts'
import type { Dice } from '../random.ts'
import {
  type Arguments,
  bytes,
  computed,
  f32,
  floats,
  i32,
  ids,
  type InputPlan,
  type InputPlans,
  key,
  offsets,
  shapeOf,
  size,
} from './row.ts'

export type Plan = (dice: Dice) => Arguments<unknown>

const UNARY = [
  'neg',
  'exp',
  'tanh',
  'sigmoid',
  'relu',
  'abs',
  'sin',
  'cos',
  'square',
  'silu',
  'gelu_tanh',
  'gelu_erf',
]

const of = (inputs: InputPlans, params: unknown = null): Arguments<unknown> => ({ inputs, params })

function adamw(dice: Dice): object {
  return {
    lr: 0.01 * dice.float(),
    beta1: 0.9,
    beta2: 0.99,
    eps: 1e-8,
    weightDecay: dice.pick([0, 0.1]),
    bias1: 0.1,
    bias2: 0.01,
    gradScale: dice.pick([1, 0.5]),
  }
}

function rowsOf(x: InputPlan): number {
  return x.shape.slice(0, -1).reduce((a, b) => a * b, 1)
}

function norm(dice: Dice): { x: InputPlan; weight: InputPlan; rows: InputPlan } {
  const make = floats(computed(dice))
  const shape = shapeOf(dice, dice.between(1, 3)).map((n, i, all) =>
    i === all.length - 1 ? Math.max(1, n) : n,
  )
  const x = make(...shape)
  return {
    x,
    weight: make(shape[shape.length - 1]),
    rows: { shape: [rowsOf(x)], dtype: 'f32', values: 'positive' },
  }
}

function linear(dice: Dice): { inputs: InputPlans; params: object; weight: readonly [number, number] } {
  const make = floats(computed(dice))
  const [rows, inF, outF, rank] = [
    size(dice, 70),
    Math.max(1, size(dice, 90)),
    Math.max(1, size(dice, 90)),
    dice.between(1, 9),
  ]
  const hasLora = dice.chance(0.6)
  const p = hasLora && dice.chance(0.4) ? 0.25 : 0
  return {
    inputs: {
      x: dice.chance(0.3) ? make(2, rows, inF) : make(rows, inF),
      weight: make(outF, inF),
      bias: dice.chance(0.5) ? make(outF) : undefined,
      loraA: hasLora ? f32(rank, inF) : undefined,
      loraB: hasLora ? f32(outF, rank) : undefined,
    },
    params: { scale: hasLora ? 0.5 : 0, dropout: p, rng: p > 0 ? key(dice) : null },
    weight: [outF, inF],
  }
}

function linearBackward(dice: Dice): {
  inputs: InputPlans
  params: object
  weight: readonly [number, number]
} {
  const { inputs, params, weight } = linear(dice)
  const { x, loraA } = inputs
  const rows = x ? rowsOf(x) : 0
  const dy: InputPlan = { shape: [...(x?.shape.slice(0, -1) ?? []), weight[0]], dtype: x?.dtype ?? 'f32' }
  return {
    inputs: { ...inputs, bias: undefined, dy, xa: loraA ? f32(rows, loraA.shape[0]) : undefined },
    params: {
      ...params,
      wantsDx: dice.chance(0.7),
      wantsDw: dice.chance(0.5),
      wantsDbias: dice.chance(0.5),
      wantsDa: loraA !== undefined && dice.chance(0.7),
      wantsDb: loraA !== undefined && dice.chance(0.7),
      accumulateDx: false,
    },
    weight,
  }
}

export interface PackedPlan {
  readonly format: {
    readonly kind: QuantizedKind
    readonly shape: readonly number[]
    readonly block: number
    readonly offset: number
  }
  readonly parts: InputPlans
}

export function packed(dice: Dice, [rows, cols]: readonly [number, number]): PackedPlan {
  const kind = dice.pick(['nf4', 'fp4', 'int8', 'ternary'] as const)
  const out = kind === 'ternary' ? 4 * Math.ceil(rows / 4) : rows
  const shape = [out, cols]
  const scales = (n: number): InputPlan => ({ shape: [n], dtype: 'f32', values: 'positive' })
  if (kind === 'int8') {
    const data: InputPlan = { shape, dtype: 'i8', values: { below: 255, least: -127 } }
    return { format: { kind, shape, block: 0, offset: 0 }, parts: { data, scale: scales(out) } }
  }
  if (kind === 'ternary') {
    // Codes of 3 stand for nothing: bytes of 0, 1 and 2 only.
    const data: InputPlan = { shape: [out / 4, cols], dtype: 'u8', values: { below: 3 } }
    const block = dice.pick([0, cols])
    const scale: InputPlan = block === 0 ? scales(1) : { ...scales(1), shape: [out, 1] }
    return { format: { kind, shape, block, offset: 0 }, parts: { data, scale } }
  }
  const block = dice.pick([64, 128, 4096])
  const blocks = Math.ceil((out * cols) / block)
  const isNested = dice.chance(0.5)
  return {
    format: { kind, shape, block, offset: isNested ? 0.25 : 0 },
    parts: {
      data: bytes(Math.ceil((out * cols) / 2)),
      scale: isNested ? bytes(blocks) : scales(blocks),
      nested: isNested ? scales(Math.ceil(blocks / 256)) : undefined,
    },
  }
}

function attention(dice: Dice): { inputs: InputPlans; params: object } {
  const make = floats(computed(dice))
  const [tokens, keys, kvHeads, group, documents] = [
    size(dice, 60),
    size(dice, 60),
    dice.between(1, 2),
    dice.between(1, 3),
    dice.between(1, 3),
  ]
  const d = dice.pick([1, 4, 16, 33, 64])
  return {
    inputs: {
      q: make(tokens, kvHeads * group, d),
      k: make(keys, kvHeads, d),
      v: make(keys, kvHeads, d),
      offsetsQ: i32(offsets(dice, documents, tokens)),
      offsetsK: i32(offsets(dice, documents, keys)),
    },
    params: {
      scale: 0.3,
      causal: dice.chance(0.5),
      window: dice.pick([0, 0, 1, 7]),
      softcap: dice.pick([0, 0, 5]),
    },
  }
}

/** A walk through y that stays inside both. */
function strided(dice: Dice): Arguments<unknown> {
  const shape = shapeOf(dice, dice.between(1, 3))
  const order = dice.shuffle(shape.map((_, i) => i))
  const strides = (sizes: readonly number[]): number[] =>
    sizes.map((_, i) => sizes.slice(i + 1).reduce((a, b) => a * b, 1))
  const [own, from] = [strides(shape), strides(order.map((axis) => shape[axis]))]
  const dims = shape.map((n, i) => [n, own[i], from[order.indexOf(i)]])
  const x: InputPlan = {
    shape: order.map((axis) => shape[axis]),
    dtype: dice.pick(['f32', 'bf16', 'f16', 'i32', 'u8', 'i8']),
  }
  return of({ x }, { shape, dims, yOffset: 0, xOffset: 0, accumulate: false, partial: dice.chance(0.3) })
}

function binary(dice: Dice): Arguments<unknown> {
  const make = floats(computed(dice))
  const shape = shapeOf(dice, 2)
  const [rows, cols] = shape
  const isRepeated = dice.chance(0.5)
  const shapeB = isRepeated ? [cols] : shape
  const dims = [
    [rows, cols, isRepeated ? 0 : cols],
    [cols, 1, 1],
  ]
  const f = dice.pick(['add', 'sub', 'mul', 'maximum', 'minimum', 'greater', 'equal'])
  return of({ a: make(...shape), b: make(...shapeB) }, { f, shape, dims, shapeA: shape, shapeB })
}

function planes(rows: number, dims: number): InputPlan {
  // The bits past dims are 0, and no bit is in both planes.
  const words = Math.ceil(dims / 32)
  const values = Array.from({ length: rows * 2 * words }, (_, i) =>
    Math.floor(i / words) % 2 === 0 && dims >= 8 && i % words === 0 ? 0b1011 : 0,
  )
  return { shape: [rows, 2, words], dtype: 'i32', values }
}

export const PLANS: Readonly<Record<string, Plan>> = {
  add_to: (dice) => {
    const shape = shapeOf(dice)
    return of({ x: floats(computed(dice))(...shape) }, { dtype: computed(dice) })
  },
  adamw: (dice) => {
    const shape = shapeOf(dice)
    const dtype = computed(dice)
    const master = dice.chance(0.5) ? f32(...shape) : undefined
    return of(
      {
        weight: floats(dtype)(...shape),
        master,
        m: f32(...shape),
        v: { ...f32(...shape), values: 'positive' },
        grad: f32(...shape),
      },
      adamw(dice),
    )
  },
  adamw_8bit: (dice) => {
    const shape = [size(dice, 700)]
    const absmax: InputPlan = { shape: [Math.ceil(shape[0] / 256)], dtype: 'f32', values: 'positive' }
    const master = dice.chance(0.5) ? f32(...shape) : undefined
    const inputs = {
      weight: floats(computed(dice))(...shape),
      master,
      m8: bytes(...shape),
      v8: bytes(...shape),
      mAbsmax: absmax,
      vAbsmax: absmax,
      grad: f32(...shape),
    }
    return of(inputs, adamw(dice))
  },
  attention,
  attention_backward: (dice) => {
    const { inputs, params } = attention(dice)
    const { q } = inputs
    if (!q) return of(inputs, params)
    // Not the lse of these scores, but large enough that no power overflows.
    const lse: InputPlan = {
      shape: [q.shape[1], q.shape[0]],
      dtype: 'f32',
      values: Array.from({ length: q.shape[0] * q.shape[1] }, () => 9),
    }
    return of({ grad: q, o: q, lse, ...inputs }, params)
  },
  affine: (dice) => of({ x: floats(computed(dice))(...shapeOf(dice)) }, { scale: 1.5, shift: -0.5 }),
  binary,
  cast: (dice) => {
    const dtype = dice.pick(['f32', 'bf16', 'f16'] as const)
    return of(
      {
        x: {
          shape: shapeOf(dice),
          dtype: dice.pick(
            dtype === 'f32' ? (['bf16', 'i32', 'u8', 'i8'] as const) : (['f32', 'bf16'] as const),
          ),
        },
      },
      { dtype },
    )
  },
  dequantize: (dice) => {
    const { format, parts } = packed(dice, [dice.between(1, 40), dice.between(1, 90)])
    return of(parts, { ...format, dtype: computed(dice) })
  },
  dequantize_8bit: (dice) => {
    const [n, block] = [size(dice, 900), dice.pick([1, 7, 256])]
    return of({ codes: bytes(n), absmax: f32(Math.ceil(n / block)) }, { block, signed: dice.chance(0.5) })
  },
  dropout: (dice) =>
    of({ x: floats(computed(dice))(...shapeOf(dice)) }, { p: dice.pick([0, 0.25, 0.5]), rng: key(dice) }),
  embedding: (dice) => {
    const [rows, cols] = [dice.between(1, 40), size(dice, 70)]
    return of({ table: floats(computed(dice))(rows, cols), ids: ids(rows, size(dice, 40)) })
  },
  embedding_backward: (dice) => {
    const [rows, cols, n] = [dice.between(1, 40), size(dice, 70), size(dice, 40)]
    return of({ dy: floats(computed(dice))(n, cols), ids: ids(rows, n) }, { rows })
  },
  find_nonfinite: (dice) => of({ x: floats(computed(dice))(...shapeOf(dice)) }),
  gated: (dice) => {
    const x = floats(computed(dice))(...shapeOf(dice))
    return of({ gate: x, up: x }, { f: dice.pick(['silu', 'gelu_erf', 'gelu_tanh']) })
  },
  gated_backward: (dice) => {
    const x = floats(computed(dice))(...shapeOf(dice))
    return of({ dh: x, gate: x, up: x }, { f: dice.pick(['silu', 'gelu_erf', 'gelu_tanh']) })
  },
  layer_norm: (dice) => {
    const { x, weight } = norm(dice)
    return of(
      { x, residual: dice.chance(0.5) ? x : undefined, weight, bias: dice.chance(0.5) ? weight : undefined },
      { eps: 1e-5 },
    )
  },
  layer_norm_backward: (dice) => {
    const { x, weight, rows } = norm(dice)
    const inputs = { dy: x, dh: dice.chance(0.5) ? x : undefined, h: x, weight, mean: rows, rstd: rows }
    return of(inputs, { wantsDw: dice.chance(0.5), wantsDb: dice.chance(0.5) })
  },
  linear: (dice) => {
    const { inputs, params } = linear(dice)
    return of(inputs, params)
  },
  linear_backward: (dice) => {
    const { inputs, params } = linearBackward(dice)
    return of(inputs, params)
  },
  linear_cross_entropy: (dice) => {
    const make = floats(computed(dice))
    const [rows, cols, vocabulary] = [size(dice, 40), Math.max(1, size(dice, 60)), dice.between(1, 200)]
    const targets = i32(Array.from({ length: rows }, () => (dice.chance(0.2) ? -100 : dice.int(vocabulary))))
    const wants = { wantsNll: dice.chance(0.5), wantsDh: dice.chance(0.5), wantsDw: dice.chance(0.5) }
    return of(
      { h: make(rows, cols), weight: make(vocabulary, cols), targets },
      { scale: 0.5, softcap: dice.pick([0, 5]), ...wants },
    )
  },
  linear_quantized: (dice) => {
    const { inputs, params, weight } = linear(dice)
    const { format, parts } = packed(dice, weight)
    const [out] = format.shape
    const { x, bias, loraA, loraB } = inputs
    const fit = (plan: InputPlan | undefined): InputPlan | undefined =>
      plan && { ...plan, shape: [out, ...plan.shape.slice(1)] }
    return of(
      { x, ...parts, bias: fit(bias), loraA, loraB: fit(loraB) },
      { ...params, format, threshold: format.kind === 'int8' ? dice.pick([0, 1.5]) : 0 },
    )
  },
  linear_quantized_backward: (dice) => {
    const { inputs, params, weight } = linearBackward(dice)
    const { format, parts } = packed(dice, weight)
    const [out] = format.shape
    const { dy, x, loraA, loraB, xa } = inputs
    const last = dy && { ...dy, shape: [...dy.shape.slice(0, -1), out] }
    const fit = loraB && { ...loraB, shape: [out, loraB.shape[1]] }
    return of(
      { dy: last, x, ...parts, loraA, loraB: fit, xa },
      { ...params, format, threshold: 0, wantsDw: undefined },
    )
  },
  matmul: (dice) => {
    const make = floats(computed(dice))
    const [m, n, k] = [size(dice, 70), size(dice, 70), size(dice, 70)]
    const [transposeA, transposeB] = [dice.chance(0.5), dice.chance(0.5)]
    const [a, b] = [transposeA ? [k, m] : [m, k], transposeB ? [n, k] : [k, n]]
    const [batchA, batchB] = dice.pick([
      [[], []],
      [[2], []],
      [[], [3]],
      [[2], [2]],
    ])
    return of(
      { a: make(...batchA, ...a), b: make(...batchB, ...b) },
      { transposeA, transposeB, wide: dice.chance(0.3) },
    )
  },
  quantize_4bit: (dice) =>
    of(
      { x: floats(computed(dice))(size(dice, 900)) },
      { kind: dice.pick(['nf4', 'fp4']), block: dice.pick([64, 256]) },
    ),
  quantize_8bit: (dice) =>
    of({ x: f32(size(dice, 900)) }, { block: dice.pick([1, 7, 256]), signed: dice.chance(0.5) }),
  quantize_int8: (dice) => of({ x: floats(computed(dice))(...shapeOf(dice, dice.between(1, 3))) }),
  quantize_ternary: (dice) => {
    const [cols, block] = dice.pick([
      [192, 64],
      [128, 128],
      [size(dice, 60), 0],
    ])
    return of({ w: floats(computed(dice))(4 * size(dice, 20), cols) }, { block })
  },
  reduce: (dice) => {
    const [outer, n, inner] = [size(dice, 9), size(dice, 400), dice.pick([1, size(dice, 40)])]
    const f = dice.pick(['sum', 'mean', 'amax'])
    return of(
      { x: floats(computed(dice))(outer, n, inner) },
      { f, outer, n, inner, from: [outer, n, inner], shape: [outer, inner] },
    )
  },
  rms_norm: (dice) => {
    const { x, weight } = norm(dice)
    return of({ x, residual: dice.chance(0.5) ? x : undefined, weight }, { eps: 1e-6 })
  },
  rms_norm_backward: (dice) => {
    const { x, weight, rows } = norm(dice)
    return of(
      { dy: x, dh: dice.chance(0.5) ? x : undefined, h: x, weight, rstd: rows },
      { wantsDw: dice.chance(0.5) },
    )
  },
  rope: (dice) => {
    const [tokens, heads, d, table] = [
      size(dice, 40),
      size(dice, 5),
      dice.pick([2, 6, 16, 64]),
      dice.between(1, 50),
    ]
    const half = dice.pick([d / 2, 1])
    return of(
      {
        x: floats(computed(dice))(tokens, heads, d),
        cos: f32(table, half),
        sin: f32(table, half),
        positions: ids(table, tokens),
      },
      { inverse: dice.chance(0.5) },
    )
  },
  sample: (dice) => {
    const [rows, vocabulary] = [size(dice, 5), dice.between(1, 200)]
    const history = dice.chance(0.5) ? ids(vocabulary, size(dice, 20)) : undefined
    const params = {
      temperature: dice.pick([0, 0.7]),
      topK: dice.pick([0, 5]),
      topP: dice.pick([1, 0.9]),
      repetitionPenalty: dice.pick([1, 1.3]),
      key: key(dice),
    }
    return of({ logits: floats(computed(dice))(rows, vocabulary), history }, params)
  },
  softmax: (dice) => of({ x: floats(computed(dice))(...shapeOf(dice)) }),
  softmax_backward: (dice) => {
    const x = floats(computed(dice))(...shapeOf(dice))
    return of({ dy: x, y: x })
  },
  strided_copy: strided,
  sum_squares: (dice) => of({ x: floats(computed(dice))(...shapeOf(dice)) }),
  unary: (dice) => of({ x: floats(computed(dice))(...shapeOf(dice)) }, { f: dice.pick(UNARY) }),
  unary_backward: (dice) => {
    const x = floats(computed(dice))(...shapeOf(dice))
    return of({ dy: x, x }, { f: dice.pick(UNARY) })
  },
  vsa_pack: (dice) =>
    of({ x: { shape: [size(dice, 5), dice.between(1, 100)], dtype: 'i8', values: { below: 3, least: -1 } } }),
  vsa_unpack: (dice) => {
    const dims = dice.between(1, 100)
    return of({ x: planes(size(dice, 5), dims) }, { dims })
  },
  vsa_combine: (dice) => {
    const [dims, rows] = [dice.between(1, 1000), size(dice, 5)]
    const how = dice.pick(['product', 'bind', 'unbind'])
    return of({ a: planes(rows, dims), b: planes(dice.pick([1, rows]), dims) }, { dims, how })
  },
  vsa_bundle: (dice) => {
    const [dims, count] = [dice.between(1, 1000), dice.between(1, 20)]
    const rows = count * size(dice, 4)
    return of({ x: planes(rows, dims), weights: dice.chance(0.5) ? f32(rows) : undefined }, { dims, count })
  },
  vsa_similarity: (dice) => {
    const dims = dice.between(1, 1000)
    const metric = dice.pick(['dot', 'hamming'])
    return of({ a: planes(size(dice, 9), dims), b: planes(size(dice, 9), dims) }, { dims, metric })
  },
  vsa_permute: (dice) => {
    const dims = dice.between(1, 100)
    return of({ x: planes(size(dice, 5), dims) }, { dims, shift: dice.between(-300, 300) })
  },
}
