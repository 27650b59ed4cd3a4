/**
 * More tokens than a checkpoint has: tables with one row for each token get rows at their end, as transformers' `resize_token_embeddings` does.
 */
import {
  add,
  affine,
  cast,
  createRandom,
  empty,
  type FloatDType,
  matmul,
  mean,
  mul,
  noGrad,
  type Random,
  scoped,
  sub,
  sum,
  type Tensor,
  tensor,
  TrituneError,
  type WeightSource,
} from '../../core/mod.ts'
import { copyElements } from '../../core/tensor/tensor-bytes.ts'
import type { ConfigJson } from './_config.ts'

/** How many tokens a model is to have, and what the rows of the new ones start from. */
export interface VocabularyOptions {
  /** At least so many tokens; a checkpoint that has more keeps them. */
  readonly vocabSize?: number
  /**
   * `mean`: around the mean of the rows that there are, N(mean, 1e-9·covariance), as transformers does unless it is told otherwise. `normal`:
   * N(0, initializer_range²), as with `mean_resizing=False`. Default: mean.
   */
  readonly newRows?: 'mean' | 'normal'
  /** Of the new rows. */
  readonly seed?: number
}

/** Config and weights with that many tokens; the same ones where the checkpoint has enough. */
export function withVocabulary(
  config: ConfigJson,
  source: WeightSource,
  { vocabSize = 0, newRows = 'mean', seed = 0 }: VocabularyOptions,
): readonly [ConfigJson, WeightSource] {
  const known = Number(config['vocab_size'])
  if (vocabSize === 0 || !(known < vocabSize)) return [config, source]
  const range = Number(config['initializer_range'] ?? 0.02)
  const { pack, packHead, form, made } = source
  return [
    { ...config, vocab_size: vocabSize },
    {
      place: source.place,
      has: (name) => source.has(name),
      names: () => source.names(),
      packed: (name, shape) => (shape[0] === vocabSize ? null : (source.packed?.(name, shape) ?? null)),
      load(name, shape, options) {
        if (shape.length !== 2 || shape[0] !== vocabSize) return source.load(name, shape, options)
        using old = loadTable(source, name, shape, known)
        if (old.shape[0] === vocabSize) return old.view()
        const random = createRandom(seed, name)
        const count = vocabSize - known
        return grown(old, count, () =>
          newRows === 'mean' ? aroundMean(old, count, random) : around0(old, count, range, random),
        )
      },
      ...(pack && { pack: (path, weight) => pack(path, weight) }),
      ...(made && { made: (layer) => made(layer) }),
      ...(packHead && { packHead: (path, weight) => packHead(path, weight) }),
      ...(form && { form: (path, parts) => form(path, parts) }),
    },
  ]
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** With as many rows as there are: those of the config, or (a table that was grown before) those that are wanted. */
function loadTable(source: WeightSource, name: string, shape: readonly number[], known: number): Tensor {
  try {
    return source.load(name, [known, shape[1]])
  } catch (error) {
    if (!(error instanceof TrituneError) || error.code !== 'E_SHAPE') throw error
    return source.load(name, shape)
  }
}

function grown(old: Tensor, count: number, rows: () => Tensor): Tensor {
  const [known, width] = old.shape
  const dtype = old.dtype as FloatDType
  const table = empty([known + count, width], { dtype, device: old.device })
  try {
    using first = table.rowsView(0, known)
    using last = table.rowsView(known, count)
    using made = noGrad(() => scoped(() => cast(rows(), dtype)))
    copyElements(first, old)
    copyElements(last, made)
    return table
  } catch (error) {
    table.dispose()
    throw error
  }
}

/** mean + √(1e-9/V)·Σ gᵢ·(rowᵢ − mean), g ~ N(0, 1): its covariance is 1e-9 of that of the rows. */
function aroundMean(old: Tensor, count: number, random: Random): Tensor {
  const [known] = old.shape
  const wide = cast(old, 'f32')
  const centre = mean(wide, { axis: 0, keepDims: true })
  const factors = tensor(
    Float32Array.from({ length: count * known }, () => random.normal()),
    { shape: [count, known], device: old.device },
  )
  const spread = sub(matmul(factors, wide), mul(sum(factors, { axis: 1, keepDims: true }), centre))
  return add(affine(spread, { scale: Math.sqrt(1e-9 / known) }), centre)
}

function around0(old: Tensor, count: number, deviation: number, random: Random): Tensor {
  const width = old.shape[1]
  const values = Float32Array.from({ length: count * width }, () => deviation * random.normal())
  return tensor(values, { shape: [count, width], device: old.device })
}
