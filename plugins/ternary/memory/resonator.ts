/**
 * Resonator network: from a product of vectors, one of each codebook, the factors (Frady, Kent, Olshausen, Sommer 2020, Neural
 * Computation 32(12)). Each factor in turn is what is left of the product without the estimates of the others, cleaned by its codebook:
 * x ← sign(Xᵀ X (s ∘ others)).
 *
 * Codebooks should have no zeros (density 1), since the product cannot be undone where a factor is 0. It is a search without a
 * guarantee: `converged` says whether it found the factors.
 */
import { TrituneError } from '../../../core/mod.ts'
import { expectInteger } from '../../../core/tensor/expect.ts'
import { packedTrits } from '../vectors/packed-trits.ts'
import { expectVectors, type PackedTritVec } from '../vectors/trit-vec.ts'

/** What a factorization is told. */
export interface ResonatorOptions {
  /** Default 200. */
  readonly maxIterations?: number
}

/** What a factorization found. */
export interface Factorization {
  /** The place of the factor in each codebook. */
  readonly indices: readonly number[]
  /** The cosine of the product of these factors with what was given; 1: exact. */
  readonly similarity: number
  /** Whether the estimates came to rest. */
  readonly converged: boolean
  readonly iterations: number
}

/**
 * Factors a product, or a noisy one.
 *
 * @throws E_SHAPE where there is no codebook, an empty one, or other dimensions
 * @example
 * ```ts
 * import { factorize, packedTrits } from 'tritune/plugins/ternary'
 *
 * const codebook = (stream: string) =>
 *   Array.from({ length: 10 }, (_, i) => packedTrits.random({ dims: 1000, seed: i, stream, density: 1 }))
 * const [colours, shapes, places] = ['colours', 'shapes', 'places'].map(codebook)
 * const scene = packedTrits.product(packedTrits.product(colours[3], shapes[7]), places[1])
 * console.log(factorize(scene, [colours, shapes, places]).indices) // → [ 3, 7, 1 ]
 * ```
 */
export function factorize(
  whole: PackedTritVec,
  codebooks: readonly (readonly PackedTritVec[])[],
  { maxIterations = 200 }: ResonatorOptions = {},
): Factorization {
  expectInteger('factorize', 'maxIterations', maxIterations, { min: 1 })
  if (codebooks.length === 0) throw new TrituneError('E_SHAPE', 'factorize: there are no codebooks')
  for (const codebook of codebooks)
    expectVectors('factorize', [...codebook, ...(codebook.length > 0 ? [whole] : [])])
  const estimates = codebooks.map((codebook) => packedTrits.bundle(codebook))
  let [iterations, converged] = [0, false]
  while (iterations < maxIterations && !converged) {
    iterations++
    converged = true
    for (const [f, codebook] of codebooks.entries()) {
      const next = cleaned(productOf([whole, ...estimates.filter((_, other) => other !== f)]), codebook)
      converged &&= packedTrits.equals(next, estimates[f])
      estimates[f] = next
    }
  }
  const indices = codebooks.map((codebook, f) => likest(estimates[f], codebook))
  const found = productOf(codebooks.map((codebook, f) => codebook[indices[f]]))
  return { indices, similarity: packedTrits.cosine(found, whole), converged, iterations }
}

function productOf(vectors: readonly PackedTritVec[]): PackedTritVec {
  return vectors.reduce((whole, vector) => packedTrits.product(whole, vector))
}

/** The sum of the codebook, each by how like it is. */
function cleaned(guess: PackedTritVec, codebook: readonly PackedTritVec[]): PackedTritVec {
  return packedTrits.weightedBundle(
    codebook,
    codebook.map((vector) => packedTrits.dot(guess, vector)),
  )
}

/** Two factors may both have come out negated, which is the same product. */
function likest(estimate: PackedTritVec, codebook: readonly PackedTritVec[]): number {
  const likeness = codebook.map((vector) => Math.abs(packedTrits.cosine(estimate, vector)))
  return likeness.indexOf(Math.max(...likeness))
}
