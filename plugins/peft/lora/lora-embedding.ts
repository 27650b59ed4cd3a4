/**
 * LoRA and DoRA of an embedding, as PEFT has them: the factors are those of the transposed table, and nothing is dropped.
 *
 *   LoRA   y[t] = W[id] + s·A[:, id]ᵀ·Bᵀ                  W (ids, out), A (r, ids) 0 at the start, B (out, r) ~ N(0, 1)
 *   DoRA   y[t] = (m/n)∘(W[id] + s·A[:, id]ᵀ·Bᵀ)          m, n (out): lengths of the columns of W + s·(B·A)ᵀ
 */
import {
  add,
  affine,
  type BaseLayer,
  baseForward,
  cast,
  div,
  embedding,
  type FloatDType,
  isQuantized,
  linear,
  mul,
  noGrad,
  type Random,
  reshape,
  scoped,
  sub,
  tensor,
  type Tensor,
  transpose,
  TrituneError,
  zeros,
} from '../../../core/mod.ts'
import { folded } from '../delta/fold.ts'
import { lasting } from '../delta/leaves.ts'
import { columnLengths, MAGNITUDE } from './dora-lengths.ts'
import { gained } from '../gained.ts'
import { change, factorPair, type Factors, leaf, type LoraAdapter, storedFactors } from './lora-factors.ts'
import { changesBase, type LoraOptions } from './lora-options.ts'
import { columnSquares } from '../weight-product.ts'

const NAMES = { a: 'lora_embedding_A', b: 'lora_embedding_B' } as const

/** Every init but false starts as true does, as in PEFT; only loftq, which would pack the table, is refused. */
export function createLoraEmbedding(
  layer: BaseLayer,
  options: LoraOptions,
  { random, scale }: { readonly random: Random; readonly scale: number },
): LoraAdapter {
  const { path, inputs, outputs, device, weight } = layer
  const { rank, init } = options
  if (options.loraBias) throw unsupported(path, 'lora_bias')
  if (init === 'loftq') throw unsupported(path, 'init_lora_weights: loftq')
  if (isQuantized(weight)) throw unsupported(path, `a LoRA, packed as ${weight.kind}`)
  const drawn = (rows: number, columns: number): Tensor => {
    const values = Float32Array.from({ length: rows * columns }, () => random.normal())
    return tensor(values, { shape: [rows, columns], device })
  }
  const a = leaf(init === false ? drawn(rank, inputs) : zeros([rank, inputs], { device }))
  const b = leaf(drawn(outputs, rank))
  // Beside layers that start as a part of their weight, and are stored with twice the rank.
  const start = changesBase(init)
    ? { a: lasting(zeros([rank, inputs], { device })), b: lasting(zeros([outputs, rank], { device })) }
    : null
  const factors = factorPair(a, b, start)
  const squares = options.dora ? lasting(columnSquares(layer)) : null
  const lengths = (of: Factors, own: Tensor): Tensor =>
    noGrad(() => scoped(() => columnLengths(own, of, scale, weight)))
  const m = squares && leaf(lengths({ a, b }, squares))
  const gainOf = (): Tensor | null => m && squares && div(m, lengths({ a, b }, squares))
  const fold = (table: Tensor, back: boolean): Tensor =>
    folded(table, (wide) => {
      const gain = gainOf()
      const update = transpose(change(factors, scale))
      const across = gain && reshape(gain, [1, -1])
      if (back) return sub(across ? div(wide, across) : wide, update)
      const both = add(wide, update)
      return across ? mul(both, across) : both
    })
  const changeOf = (ids: Tensor): Tensor => {
    const picked = embedding(transpose(a), ids)
    return affine(linear(picked, b), { scale })
  }
  return {
    kind: options.dora ? 'dora' : 'lora',
    options,
    a,
    b,
    scale,
    forward(ids, base) {
      const y = baseForward(base, ids)
      const both = add(y, cast(changeOf(ids), y.dtype as FloatDType))
      const gain = gainOf()
      return gain ? gained(both, gain) : both
    },
    ...(m ? {} : { delta: (ids: Tensor, base: BaseLayer) => cast(changeOf(ids), dtypeOf(base)) }),
    parameters: () => ({ [NAMES.a]: a, [NAMES.b]: b, ...(m ? { [MAGNITUDE]: m } : {}) }),
    ...storedFactors(factors, NAMES, m ? { [MAGNITUDE]: m } : {}),
    merge: (table) => fold(table, false),
    unmerge: (table) => fold(table, true),
    [Symbol.dispose]() {
      factors[Symbol.dispose]()
      m?.dispose()
      squares?.dispose()
    },
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function dtypeOf({ weight }: BaseLayer): FloatDType {
  return !isQuantized(weight) && weight.dtype === 'bf16' ? 'bf16' : 'f32'
}

function unsupported(path: string, what: string): TrituneError {
  return new TrituneError('E_UNSUPPORTED', `${path}: an embedding cannot have ${what}`)
}
