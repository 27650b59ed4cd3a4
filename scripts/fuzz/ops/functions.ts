/**
 * Rows of the functions of core/ops that users call, and of what makes and looks into tensors.
 */
import * as t from '../../../core/mod.ts'
import type { Dice } from '../random.ts'
import { packed, PLANS } from './plans.ts'
import {
  type Arguments,
  computed,
  f32,
  floats,
  functionRow,
  type InputPlans,
  type Inputs,
  key,
  type Result,
  type Row,
  shapeOf,
  size,
} from './row.ts'

type UnaryCall = (x: t.Tensor) => t.Tensor
type BinaryCall = (a: t.Tensor, b: t.Tensor) => t.Tensor

const of = <P>(inputs: InputPlans, params: P): Arguments<P> => ({ inputs, params })

const { neg, exp, tanh, sigmoid, relu, abs, sin, cos, square, silu, log, sqrt, rsqrt, reciprocal, softmax } =
  t
const UNARY: Readonly<Record<string, UnaryCall>> = {
  neg,
  exp,
  tanh,
  sigmoid,
  relu,
  abs,
  sin,
  cos,
  square,
  silu,
  softmax,
}
const POSITIVE: Readonly<Record<string, UnaryCall>> = { log, sqrt, rsqrt, reciprocal }
const { add, sub, mul, div, maximum, minimum, greater, equal } = t
const BINARY: Readonly<Record<string, BinaryCall>> = { add, sub, mul, div, maximum, minimum, greater, equal }
const { sum, mean, amax } = t
const REDUCE = { sum, mean, amax }

/** The plan of an op, for a function with the same inputs and `params`. */
function like(op: string, params: (dice: Dice) => unknown = () => null): (dice: Dice) => Arguments<unknown> {
  return (dice) => ({ inputs: PLANS[op](dice).inputs, params: params(dice) })
}

interface ShapeParams {
  readonly shape: readonly number[]
}

/** Two shapes that broadcast. */
function pair(dice: Dice): { a: number[]; b: number[] } {
  const a = shapeOf(dice)
  const b = a.slice(dice.int(a.length + 1)).map((n) => (dice.chance(0.3) ? 1 : n))
  return { a, b }
}

function lora({ loraA, loraB }: Inputs, scale: number): { readonly lora?: t.LoraFactors } {
  return loraA && loraB ? { lora: { a: loraA, b: loraB, scale } } : {}
}

const SIMPLE: readonly Row[] = [
  ...Object.entries(UNARY).map(([name, f]) =>
    functionRow(
      name,
      (dice) => of({ x: floats(computed(dice))(...shapeOf(dice)) }, null),
      ({ x }) => f(x),
    ),
  ),
  ...Object.entries(POSITIVE).map(([name, f]) =>
    functionRow(
      name,
      (dice) => of({ x: { shape: shapeOf(dice), dtype: computed(dice), values: 'positive' } }, null),
      ({ x }) => f(x),
    ),
  ),
  ...Object.entries(BINARY).map(([name, f]) =>
    functionRow(
      name,
      (dice) => {
        const { a, b } = pair(dice)
        const dtype = computed(dice)
        return of({ a: floats(dtype)(...a), b: { shape: b, dtype, values: 'positive' } }, null)
      },
      ({ a, b }) => f(a, b),
    ),
  ),
  ...Object.entries(REDUCE).map(([name, f]) =>
    functionRow(
      name,
      (dice) => {
        const shape = shapeOf(dice, dice.between(1, 3))
        return of(
          { x: floats(computed(dice))(...shape) },
          { axis: dice.chance(0.5) ? null : dice.int(shape.length), keepDims: dice.chance(0.5) },
        )
      },
      ({ x }, { axis, keepDims }) => f(x, { axis, keepDims }),
    ),
  ),
  functionRow(
    'gelu',
    (dice) => of({ x: f32(...shapeOf(dice)) }, null),
    ({ x }) => t.gelu(x, { approximate: 'tanh' }),
  ),
  functionRow(
    'affine',
    (dice) => of({ x: f32(...shapeOf(dice)) }, { scale: 2, shift: 1 }),
    ({ x }, params) => t.affine(x, params),
  ),
  functionRow(
    'scaleInPlace',
    (dice) => of({ x: f32(...shapeOf(dice)) }, { factor: 0.5 }),
    ({ x }, { factor }) => (t.scaleInPlace(x, factor), x),
  ),
  functionRow(
    'addTo',
    (dice) => {
      const shape = shapeOf(dice)
      return of({ y: f32(...shape), x: floats(computed(dice))(...shape) }, null)
    },
    ({ x, y }) => (t.addTo(y, x), y),
  ),
  functionRow('swiglu', like('gated'), ({ gate, up }) => t.swiglu(gate, up)),
  functionRow('geglu', like('gated'), ({ gate, up }) => t.geglu(gate, up)),
  functionRow(
    'cast',
    (dice) => of({ x: f32(...shapeOf(dice)) }, { dtype: 'bf16' as t.DType }),
    ({ x }, { dtype }) => t.cast(x, dtype),
  ),
  functionRow('firstNonFinite', like('find_nonfinite'), ({ x }) => t.firstNonFinite(x)),
  functionRow('sumSquares', like('sum_squares'), ({ x }) => t.sumSquares([x, x]), { loose: true }),
  functionRow('sumSquaresOf', like('sum_squares'), ({ x }) => t.sumSquaresOf([x, x])),
  functionRow(
    'sumTo',
    (dice) => {
      const { a, b } = pair(dice)
      return of({ x: f32(...a) }, { shape: b })
    },
    ({ x }, { shape }) => t.sumTo(x, shape),
  ),
]

const MOVEMENT: readonly Row[] = [
  functionRow<ShapeParams>(
    'reshape',
    (dice) => {
      const shape = shapeOf(dice)
      return of({ x: f32(...shape) }, { shape: dice.pick([[-1], shape.toReversed(), [t.sizeOf(shape)]]) })
    },
    ({ x }, { shape }) => t.reshape(x, shape),
  ),
  functionRow(
    'permute',
    (dice) => {
      const shape = shapeOf(dice)
      return of({ x: f32(...shape) }, { axes: dice.shuffle(shape.map((_, i) => i)) })
    },
    ({ x }, { axes }) => t.permute(x, axes),
  ),
  functionRow(
    'transpose',
    (dice) => of({ x: f32(...shapeOf(dice, 3)) }, { a: dice.int(3), b: -1 }),
    ({ x }, { a, b }) => t.transpose(x, a, b),
  ),
  functionRow(
    'slice',
    (dice) => {
      const shape = shapeOf(dice, 3)
      const axis = dice.int(3)
      const start = dice.int(shape[axis] + 1)
      return of({ x: f32(...shape) }, { axis, start, end: dice.between(start, shape[axis]) })
    },
    ({ x }, options) => t.slice(x, options),
  ),
  functionRow(
    'concat',
    (dice) => {
      const shape = shapeOf(dice, 3)
      const axis = dice.int(3)
      return of({ a: f32(...shape), b: f32(...shape.with(axis, size(dice, 5))) }, { axis })
    },
    ({ a, b }, options) => t.concat([a, b], options),
  ),
  functionRow<ShapeParams>(
    'expand',
    (dice) => {
      const { a, b } = pair(dice)
      return of({ x: f32(...b) }, { shape: a })
    },
    ({ x }, { shape }) => t.expand(x, shape),
  ),
  functionRow(
    'stridedCopy',
    (dice) => {
      const n = size(dice, 60)
      return of(
        { x: f32(n, 3) },
        {
          shape: [n, 2],
          dims: [
            [n, 2, 3],
            [2, 1, 1],
          ],
          options: { xOffset: dice.int(2), yOffset: 0, accumulate: false },
        },
      )
    },
    ({ x }, { shape, dims, options }) =>
      t.stridedCopy(
        x,
        shape,
        dims.map(([n, a, b]) => [n, a, b]),
        options,
      ),
  ),
]

const LAYERS: readonly Row[] = [
  functionRow(
    'linear',
    (dice) => {
      const { inputs } = PLANS.linear(dice)
      return of(inputs, { scale: 0.5 })
    },
    (inputs, { scale }) => t.linear(inputs.x, inputs.weight, { bias: inputs.bias, ...lora(inputs, scale) }),
  ),
  functionRow(
    'linearQuantized',
    (dice) => {
      const [out, inF] = [4 * dice.between(1, 9), dice.between(1, 70)]
      const { format, parts } = packed(dice, [out, inF])
      return of({ x: floats(computed(dice))(size(dice, 40), inF), ...parts }, { ...format, threshold: 0 })
    },
    ({ x, data, scale, nested }, { threshold, ...format }) => {
      const weight = t.quantizedWeight({ ...format, parts: { data, scale, nested } })
      return t.linearQuantized(x, weight, { threshold })
    },
  ),
  functionRow(
    'dequantizeWeight',
    (dice) => {
      const { format, parts } = packed(dice, [dice.between(1, 30), dice.between(1, 70)])
      return of(parts, format)
    },
    ({ data, scale, nested }, format) =>
      t.dequantizeWeight(t.quantizedWeight({ ...format, parts: { data, scale, nested } })),
  ),
  functionRow(
    'matmul',
    (dice) => {
      const [m, n, k] = [size(dice, 50), size(dice, 50), size(dice, 50)]
      return of({ a: f32(2, 1, m, k), b: f32(dice.pick([1, 3]), k, n) }, null)
    },
    ({ a, b }) => t.matmul(a, b),
  ),
  functionRow(
    'linearCrossEntropy',
    like('linear_cross_entropy', () => ({ scale: 0.5, softcap: 0 })),
    ({ h, weight, targets }, params) =>
      t.linearCrossEntropy(h, weight, targets, params as { scale: number; softcap: number }),
  ),
  functionRow('linearNll', like('linear_cross_entropy'), ({ h, weight, targets }) =>
    t.linearNll(h, weight, targets),
  ),
  functionRow('linearLogProbs', like('linear_cross_entropy'), ({ h, weight, targets }) =>
    t.linearLogProbs(h, weight, targets),
  ),
  functionRow(
    'attention',
    (dice) => PLANS.attention(dice),
    ({ q, k, v, offsetsQ, offsetsK }, params) =>
      t.attention(q, k, v, { offsetsQ, offsetsK, ...(params as t.AttentionParams) }),
  ),
  functionRow(
    'attentionWithSinks',
    (dice) => {
      const plan = PLANS.attention(dice)
      return { ...plan, inputs: { ...plan.inputs, sinks: f32(plan.inputs.q?.shape[1] ?? 1) } }
    },
    ({ q, k, v, sinks, offsetsQ, offsetsK }, params) =>
      t.attentionWithSinks(q, k, v, sinks, { offsetsQ, offsetsK, ...(params as t.AttentionParams) }),
  ),
  functionRow('rope', like('rope'), ({ x, cos, sin, positions }) => t.rope(x, { cos, sin, positions })),
  functionRow(
    'rmsNorm',
    like('rms_norm', () => ({ eps: 1e-6 })),
    ({ x, weight }, params) => t.rmsNorm(x, weight, params as { eps: number }),
  ),
  functionRow('addRmsNorm', like('rms_norm'), ({ x, weight }) => Object.values(t.addRmsNorm(x, x, weight))),
  functionRow(
    'layerNorm',
    like('layer_norm', () => ({ eps: 1e-6 })),
    ({ x, weight, bias }, params) => t.layerNorm(x, weight, bias ?? null, params as { eps: number }),
  ),
  functionRow('addLayerNorm', like('layer_norm'), ({ x, weight }) =>
    Object.values(t.addLayerNorm(x, x, weight)),
  ),
  functionRow('embedding', like('embedding'), ({ table, ids }) => t.embedding(table, ids)),
  functionRow(
    'dropout',
    (dice) => of({ x: f32(...shapeOf(dice)) }, { p: 0.25, site: 7 }),
    ({ x }, params) => t.dropout(x, params),
  ),
  functionRow(
    'sample',
    (dice) => PLANS.sample(dice),
    ({ logits, history }, params) =>
      t.sample(logits, { ...(params as t.SampleParams), history: history ?? null }),
    { loose: true },
  ),
]

const QUANTIZE: readonly Row[] = [
  functionRow(
    'quantize4bit',
    (dice) =>
      of(
        { x: f32(size(dice, 20), size(dice, 50)) },
        { kind: 'nf4' as const, block: 64, doubleQuant: dice.chance(0.5) },
      ),
    ({ x }, options) => Object.values(t.quantize4bit(x, options).parts).filter((part) => part !== undefined),
    { loose: true },
  ),
  functionRow(
    'quantize8bit',
    like('quantize_8bit', () => ({ block: 256, signed: true })),
    ({ x }, options) => Object.values(t.quantize8bit(x, options as t.Blocks8bit)),
    { loose: true },
  ),
  functionRow(
    'dequantize8bit',
    like('dequantize_8bit', () => ({ block: 256, signed: true })),
    ({ codes, absmax }, options) => t.dequantize8bit({ codes, absmax }, options as t.Blocks8bit),
  ),
  functionRow('quantizeRows', like('quantize_int8'), ({ x }) => Object.values(t.quantizeRows(x)), {
    loose: true,
  }),
  functionRow(
    'quantizeInt8',
    (dice) => of({ x: f32(size(dice, 20), size(dice, 50)) }, null),
    ({ x }) => t.quantizeInt8(x).parts.data,
    { loose: true },
  ),
  functionRow(
    'quantizeTernary',
    (dice) => PLANS.quantize_ternary(dice),
    ({ w }, options) => t.quantizeTernary(w, options as t.QuantizeTernaryOptions).parts.data,
    { loose: true },
  ),
  functionRow('vsaPack', like('vsa_pack'), ({ x }) => t.vsaPack(x)),
  functionRow(
    'vsaUnpack',
    (dice) => PLANS.vsa_unpack(dice),
    ({ x }, params) => t.vsaUnpack(x, params as t.VsaParams),
  ),
  functionRow(
    'vsaProduct',
    (dice) => PLANS.vsa_combine(dice),
    ({ a, b }, params) => t.vsaProduct(a, b, params as t.VsaParams),
  ),
  functionRow(
    'vsaBind',
    (dice) => PLANS.vsa_combine(dice),
    ({ a, b }, params) => t.vsaBind(a, b, params as t.VsaParams),
  ),
  functionRow(
    'vsaUnbind',
    (dice) => PLANS.vsa_combine(dice),
    ({ a, b }, params) => t.vsaUnbind(a, b, params as t.VsaParams),
  ),
  functionRow(
    'vsaBundle',
    (dice) => PLANS.vsa_bundle(dice),
    ({ x, weights }, params) =>
      t.vsaBundle(x, params === null ? (params as never) : { ...(params as t.VsaParams), weights }),
  ),
  functionRow(
    'vsaSimilarity',
    (dice) => PLANS.vsa_similarity(dice),
    ({ a, b }, params) => t.vsaSimilarity(a, b, params as t.VsaParams),
  ),
  functionRow(
    'vsaPermute',
    (dice) => PLANS.vsa_permute(dice),
    ({ x }, params) => t.vsaPermute(x, params as t.VsaParams),
  ),
]

const OPTIMIZERS: readonly Row[] = [
  functionRow(
    'adamwStep',
    (dice) => PLANS.adamw(dice),
    ({ weight, master, m, v, grad }, params) => {
      t.adamwStep({ weight, master: master ?? null, m, v, grad }, params as t.AdamwParams)
      return [weight, m, v]
    },
  ),
  functionRow(
    'adamw8bitStep',
    (dice) => PLANS.adamw_8bit(dice),
    ({ weight, master, ...state }, params) => {
      const { m8, v8, mAbsmax, vAbsmax, grad } = state
      t.adamw8bitStep(
        { weight, master: master ?? null, m8, v8, mAbsmax, vAbsmax, grad },
        params as t.AdamwParams,
      )
      return [mAbsmax, vAbsmax]
    },
  ),
]

/** What is in core/tensor and not an op. */
const TENSORS: readonly Row[] = [
  functionRow(
    'empty',
    (dice) => of({}, { shape: shapeOf(dice), dtype: 'f32' as t.DType }),
    (_, { shape, dtype }) => t.empty(shape, { dtype }).size,
  ),
  functionRow(
    'zeros',
    (dice) => of({}, { shape: shapeOf(dice), dtype: 'f32' as t.DType }),
    (_, { shape, dtype }) => t.zeros(shape, { dtype }),
  ),
  functionRow(
    'tensor',
    (dice) =>
      of(
        {},
        {
          values: Array.from({ length: size(dice, 9) }, () => dice.int(9)),
          dtype: dice.pick(['f32', 'i32', 'u8'] as t.DType[]),
        },
      ),
    (_, { values, dtype }) => t.tensor(values, { dtype }),
  ),
  functionRow(
    'view',
    (dice) => {
      const shape = shapeOf(dice)
      return of({ x: f32(...shape) }, { shape: shape.toReversed() })
    },
    ({ x }, { shape }) => x.view(shape),
  ),
  functionRow(
    'window',
    (dice) => of({ x: f32(40) }, { shape: [dice.int(5), 4], start: dice.int(21) }),
    ({ x }, { shape, start }) => x.window(shape, start),
  ),
  functionRow(
    'rowsView',
    (dice) => of({ x: f32(9, 5) }, { start: dice.int(5), count: dice.int(5) }),
    ({ x }, { start, count }) => x.rowsView(start, count),
  ),
  functionRow(
    'noise',
    (dice) => of({ x: f32(3, 5) }, { seed: dice.uint32(), step: 1, offset: 2, p: 0.5 }),
    ({ x }, { p, ...stream }): Result => t.withNoise(stream, () => t.dropout(x, { p, site: 1 })),
  ),
  functionRow(
    'createRandom',
    (dice) => of({}, { seed: dice.uint32(), n: 9 }),
    (_, { seed, n }) => t.createRandom(seed).int(n),
  ),
  functionRow(
    'dropoutKey',
    (dice) => of({ x: f32(3, 5) }, { p: 0.5, rng: key(dice) }),
    ({ x }, params) => t.run(t.dropoutOp, { x }, params).y,
  ),
]

export const FUNCTION_ROWS: readonly Row[] = [
  ...SIMPLE,
  ...MOVEMENT,
  ...LAYERS,
  ...QUANTIZE,
  ...OPTIMIZERS,
  ...TENSORS,
]

/** Exports of core/ops that compute nothing on tensors, with the reason. */
export const NO_ROWS: Readonly<Record<string, string>> = {
  ADAMW_8BIT_BLOCK: 'a number',
  IGNORED_TARGET: 'a number',
  adamwCall: 'makes what runMany takes: adamwStep runs it',
  adamw8bitCall: 'makes what runMany takes: adamw8bitStep runs it',
  expectAdamwParams: 'a check of adamw',
  matmulSizes: 'a check of matmul',
  packDims: 'takes dims that an op has checked',
  quantizeBlock8bit: 'part of references',
  readSumSquares: 'reads a cell of sumSquares',
  vsaWords: 'a quotient',
}
