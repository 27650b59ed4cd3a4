/**
 * How several adapters are combined: the methods by PEFT's names, and what each needs.
 */
import { didYouMean, TrituneError } from '../../../core/mod.ts'
import { COMBINE_METHODS, type CombineMethod } from './methods.ts'
import type { MajoritySign, VectorMethod } from './vectors.ts'

/** Options of `addWeightedAdapter()`. */
export interface CombineOptions {
  /** Default: svd, as in PEFT. Of one adapter without `rank`: linear. */
  readonly method?: CombineMethod
  /** Of ties, dare and magnitude_prune: the share of numbers that is kept, from 0 to 1. */
  readonly density?: number
  /** Of ties: the sign that counts; default: total. */
  readonly majoritySign?: MajoritySign
  /** Of svd and those with `_svd`: rank of the result; default: the largest of the ranks. */
  readonly rank?: number
  /** Of svd and those with `_svd`: numbers of the factors are cut at this quantile of them, from 0 to 1; default: they are not. */
  readonly clamp?: number
  /** Of dare: decides what is kept. */
  readonly seed?: number
}

/** What a method does, with the options that it uses. */
export interface CombinePlan {
  readonly method: CombineMethod
  /** How changes or factors are added up; null: cat. */
  readonly vectors: VectorMethod | null
  /** On the change of the weight, cut to a rank afterwards. */
  readonly isSvd: boolean
  readonly density: number
  readonly majoritySign: MajoritySign
  readonly rank: number | null
  readonly clamp: number | null
  readonly seed: number
}

/** Throws E_CONFIG for what cannot be. */
export function combinePlan(
  { method = 'svd', density, majoritySign = 'total', rank, clamp, seed = 0 }: CombineOptions,
  count: number,
): CombinePlan {
  if (!COMBINE_METHODS.includes(method))
    throw new TrituneError('E_CONFIG', `method: there is no "${String(method)}"`, {
      remedy: didYouMean(String(method), COMBINE_METHODS),
    })
  // As PEFT has it; with a rank it is wanted otherwise.
  const used = count === 1 && rank === undefined ? 'linear' : method
  const vectors = used === 'cat' ? null : used === 'svd' ? 'linear' : vectorMethod(used)
  if (vectors !== null && vectors !== 'linear')
    expectRange(
      'density',
      density,
      'a number from 0 to 1',
      (value) => value <= 1 && (vectors.startsWith('dare') ? value > 0 : value >= 0),
    )
  if (majoritySign !== 'total' && majoritySign !== 'frequency')
    throw new TrituneError(
      'E_CONFIG',
      `majoritySign: expected total or frequency, got "${String(majoritySign)}"`,
    )
  if (rank !== undefined)
    expectRange('rank', rank, 'an integer from 1', (value) => Number.isInteger(value) && value >= 1)
  if (clamp !== undefined)
    expectRange('clamp', clamp, 'a number from 0 to 1', (value) => value >= 0 && value <= 1)
  expectRange('seed', seed, 'an integer from 0', (value) => Number.isSafeInteger(value) && value >= 0)
  return {
    method: used,
    vectors,
    isSvd: used.endsWith('svd'),
    density: density ?? 1,
    majoritySign,
    rank: rank ?? null,
    clamp: clamp ?? null,
    seed,
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function vectorMethod(method: Exclude<CombineMethod, 'cat' | 'svd'>): VectorMethod {
  const plain = method.replace(/_svd$/, '')
  const found = VECTOR_METHODS.find((name) => name === plain)
  if (!found)
    throw new TrituneError('E_CONFIG', `method: there is no "${method}"`, {
      remedy: didYouMean(method, COMBINE_METHODS),
    })
  return found
}

const VECTOR_METHODS: readonly VectorMethod[] = [
  'linear',
  'ties',
  'dare_linear',
  'dare_ties',
  'magnitude_prune',
]

function expectRange(
  name: string,
  value: number | undefined,
  expected: string,
  fits: (value: number) => boolean,
): void {
  if (value !== undefined && Number.isFinite(value) && fits(value)) return
  throw new TrituneError(
    'E_CONFIG',
    `${name}: expected ${expected}, got ${value === undefined ? 'none' : value}`,
  )
}
