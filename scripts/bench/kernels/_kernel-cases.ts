/**
 * The ops that decide the speed of a step, on the shapes of SmolLM2-135M with 4 × 512 tokens: what they compute and
 * how much that is. One table; the tensors are made when a case is opened.
 */
import {
  adamwOp,
  attentionBackward,
  attentionForward,
  createRandom,
  type Device,
  type FloatDType,
  gatedForward,
  linearBackward,
  linearCrossEntropyOp,
  linearForward,
  type OpKey,
  rmsNormForward,
  ropeOp,
  run,
  type Shape,
  type Tensor,
  tensor,
  tensorScope,
} from '../../../core/mod.ts'

/** What limits an op, and so what it is compared with: tiles or multiply-adds, multiply-adds, copying. */
export type Bound = 'matrix' | 'arithmetic' | 'memory'

export interface KernelCase {
  readonly name: string
  readonly bound: Bound
  /** FLOP, or bytes read and written, of one run. */
  amount(dtype: FloatDType): number
  /** Bytes read and written at least, packing included, beside what it computes; for the roofline. */
  moved?(dtype: FloatDType): number
  /** Share of the machine's peak: lowest, hoped for; `amx`: of bf16 where tiles are the peak. */
  readonly limits: { readonly [P in 'plain' | 'amx']: readonly [floor: number | null, goal: number | null] }
  /** The same thing in kernels_peer.py; it must not be slower than that. */
  readonly peer?: Readonly<Record<string, unknown>>
  readonly ops: readonly OpKey[]
  /** Makes the tensors; the result runs the op once. Runs within a scope of the caller. */
  open(make: Maker): () => void
}

/** Makes tensors of the case's device. */
export interface Maker {
  readonly dtype: 'f32' | 'bf16'
  random(shape: Shape, dtype?: FloatDType): Tensor
  integers(values: ArrayLike<number>): Tensor
}

export function createMaker(device: Device, dtype: 'f32' | 'bf16'): Maker {
  const random = createRandom(0, 'bench/kernels')
  return {
    dtype,
    random(shape, of = dtype) {
      const values = Float32Array.from(
        { length: shape.reduce((a, b) => a * b, 1) },
        () => random.float() - 0.5,
      )
      return tensor(values, { shape, dtype: of, device })
    },
    integers: (values) => tensor(values, { dtype: 'i32', device }),
  }
}

const [DOCUMENTS, LENGTH, C, MLP, V, R, H, KV, D] = [4, 512, 576, 1536, 49152, 16, 9, 3, 64]
const ROWS = DOCUMENTS * LENGTH
const NO_DROPOUT = { dropout: 0, rng: null } as const
const GEMM = { plain: [0.8, 0.9], amx: [0.45, 0.5] } as const
/** Packing x costs as much for few columns as for many. */
const NARROW = { plain: [0.75, 0.85], amx: [0.45, 0.5] } as const
const HEAD = { plain: [0.8, 0.9], amx: [0.45, 0.5] } as const
const ATTENTION = { plain: [0.65, 0.75], amx: [0.65, 0.75] } as const
const STREAM = { plain: [0.7, 1], amx: [0.7, 1] } as const
const bytesOf = (dtype: FloatDType): number => (dtype === 'f32' ? 4 : 2)

/** Query-key pairs that a causal mask leaves. */
const PAIRS = (DOCUMENTS * H * LENGTH * (LENGTH + 1)) / 2

/** Every (in, out) of the model's layers. */
const LINEAR_SHAPES: readonly (readonly [number, number])[] = [
  [C, C],
  [C, KV * D],
  [C, MLP],
  [MLP, C],
]

function linearCase(inputs: number, outputs: number): KernelCase {
  return {
    name: `linear ${inputs} → ${outputs}`,
    bound: 'matrix',
    amount: () => 2 * ROWS * inputs * outputs,
    // x and the weight are read and packed, y is written.
    moved: (dtype) => (2 * inputs * (ROWS + outputs) + ROWS * outputs) * bytesOf(dtype),
    limits: outputs < 256 ? NARROW : GEMM,
    ops: [linearForward],
    open({ random }) {
      const given = {
        x: random([ROWS, inputs]),
        weight: random([outputs, inputs]),
        bias: undefined,
        loraA: undefined,
        loraB: undefined,
      }
      return () => void run(linearForward, given, { scale: 0, ...NO_DROPOUT })
    },
  }
}

/** A layer with LoRA, forward and back to the input and both factors. */
function loraCase(name: string, dropout: number, peer?: KernelCase['peer']): KernelCase {
  const drop = { dropout, rng: dropout > 0 ? Uint32Array.of(1, 2, 3, 4, 0, 0) : null }
  return {
    name,
    bound: 'matrix',
    amount: () => 2 * ROWS * (2 * C * MLP + 3 * R * (C + MLP)),
    // x, dy and twice the weight are read and packed, y and dx written, x and dy read once more for the factors.
    moved: (dtype) => (4 * C * MLP + 4 * ROWS * (C + MLP)) * bytesOf(dtype),
    limits: GEMM,
    peer,
    ops: [linearForward, linearBackward],
    open({ random }) {
      const [x, weight, dy] = [random([ROWS, C]), random([MLP, C]), random([ROWS, MLP])]
      const [loraA, loraB] = [random([R, C], 'f32'), random([MLP, R], 'f32')]
      const wants = {
        wantsDx: true,
        wantsDw: false,
        wantsDbias: false,
        wantsDa: true,
        wantsDb: true,
        accumulateDx: false,
      }
      return () => {
        const { xa } = run(linearForward, { x, weight, bias: undefined, loraA, loraB }, { scale: 2, ...drop })
        run(
          linearBackward,
          { dy, x, weight, loraA, loraB, xa: xa ?? undefined },
          { scale: 2, ...drop, ...wants },
        )
      }
    },
  }
}

export const KERNEL_CASES: readonly KernelCase[] = [
  ...LINEAR_SHAPES.map(([inputs, outputs]) => linearCase(inputs, outputs)),
  loraCase('linear + LoRA r16, both ways', 0, {
    op: 'lora_linear',
    shape: { rows: ROWS, in: C, out: MLP, rank: R },
  }),
  loraCase('linear + LoRA r16, dropout, both ways', 0.05),
  {
    name: 'linear_cross_entropy, both ways',
    bound: 'matrix',
    amount: () => 4 * ROWS * C * V,
    // The weight is read and packed for either product.
    moved: (dtype) => (4 * V * C + 3 * ROWS * C) * bytesOf(dtype),
    limits: HEAD,
    peer: { op: 'linear_cross_entropy', shape: { tokens: ROWS, hidden: C, vocab: V }, reps: 3, warmup: 1 },
    ops: [linearCrossEntropyOp],
    open({ random, integers }) {
      const inputs = {
        h: random([ROWS, C]),
        weight: random([V, C]),
        targets: integers(Array.from({ length: ROWS }, (_, i) => (i * 37) % V)),
      }
      const params = { scale: 1 / ROWS, softcap: 0, wantsNll: false, wantsDh: true, wantsDw: false }
      return () => void run(linearCrossEntropyOp, inputs, params)
    },
  },
  {
    name: 'attention, both ways',
    bound: 'arithmetic',
    // Two products forward, five backward.
    amount: () => 7 * 2 * PAIRS * D,
    // Forward q, k, v and o; backward these with the gradients of all four.
    moved: (dtype) => 3 * 2 * ROWS * (H + KV) * D * bytesOf(dtype),
    limits: ATTENTION,
    peer: { op: 'sdpa', shape: { batch: DOCUMENTS, heads: H, kvHeads: KV, length: LENGTH, headDim: D } },
    ops: [attentionForward, attentionBackward],
    open({ random, integers }) {
      const offsets = integers(Array.from({ length: DOCUMENTS + 1 }, (_, i) => i * LENGTH))
      const [q, k, v, grad] = [
        [ROWS, H, D],
        [ROWS, KV, D],
        [ROWS, KV, D],
        [ROWS, H, D],
      ].map((shape) => random(shape))
      const inputs = { q, k, v, offsetsQ: offsets, offsetsK: offsets }
      const params = { scale: 1 / Math.sqrt(D), causal: true, window: 0, softcap: 0 }
      return () => {
        const { o, lse } = run(attentionForward, inputs, params)
        run(attentionBackward, { ...inputs, grad, o, lse }, params)
      }
    },
  },
  {
    name: 'rms_norm',
    bound: 'memory',
    amount: (dtype) => 2 * ROWS * C * bytesOf(dtype),
    limits: STREAM,
    ops: [rmsNormForward],
    open({ random }) {
      const inputs = { x: random([ROWS, C]), residual: undefined, weight: random([C]) }
      return () => void run(rmsNormForward, inputs, { eps: 1e-5 })
    },
  },
  {
    name: 'swiglu',
    bound: 'memory',
    amount: (dtype) => 3 * ROWS * MLP * bytesOf(dtype),
    limits: STREAM,
    ops: [gatedForward],
    open({ random }) {
      const inputs = { gate: random([ROWS, MLP]), up: random([ROWS, MLP]) }
      return () => void run(gatedForward, inputs, { f: 'silu' })
    },
  },
  {
    name: 'rope',
    bound: 'memory',
    amount: (dtype) => 2 * ROWS * H * D * bytesOf(dtype),
    limits: STREAM,
    ops: [ropeOp],
    open({ random, integers }) {
      const positions = integers(Array.from({ length: ROWS }, (_, i) => i % LENGTH))
      const inputs = {
        x: random([ROWS, H, D]),
        cos: random([LENGTH, D / 2], 'f32'),
        sin: random([LENGTH, D / 2], 'f32'),
        positions,
      }
      return () => void run(ropeOp, inputs, { inverse: false })
    },
  },
  {
    name: 'adamw, 4.9 M parameters',
    bound: 'memory',
    // Reads weight, m, v and gradient; writes the first three. f32 whatever the model is.
    amount: () => 7 * 4 * 4_884_480,
    limits: STREAM,
    peer: { op: 'adamw', dtype: 'f32', shape: { numel: 4_884_480 } },
    ops: [adamwOp],
    open({ random }) {
      const n = [4_884_480]
      const state = {
        weight: random(n, 'f32'),
        m: random(n, 'f32'),
        v: random(n, 'f32'),
        grad: random(n, 'f32'),
      }
      state.v.set(state.v.toArray().map(Math.abs))
      const params = {
        lr: 1e-4,
        beta1: 0.9,
        beta2: 0.999,
        eps: 1e-8,
        weightDecay: 0.01,
        bias1: 0.1,
        bias2: 0.001,
        gradScale: 1,
      }
      const { weight, m, v } = state
      return () => void run(adamwOp, { ...state, master: undefined }, params, { weight, m, v })
    },
  },
]

/** Runs `body` once and frees what it made. */
export function once(body: () => void): void {
  using _scope = tensorScope()
  body()
}
