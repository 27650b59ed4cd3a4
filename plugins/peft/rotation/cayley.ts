/**
 * Rotations from skew-symmetric blocks Q (n, b, b), as what they differ from the identity by: D = R − I.
 *
 *   Cayley–Neumann  R = I + 2Q + 2Q² + … + 2Qᵖ⁻¹ + Qᵖ        (Qiu et al. 2025, arXiv 2506.19847); p = 4 for 5 terms
 *   Cayley          R = (I − Q)(I + Q)⁻¹                      (Liu et al. 2023, arXiv 2311.06243)
 *
 * The signs differ, as in PEFT: one turns against the other. D and not R, because small angles would drown in the ones.
 */
import {
  add,
  affine,
  linksOf,
  matmul,
  mul,
  noGrad,
  reciprocal,
  record,
  reshape,
  scoped,
  square,
  sub,
  sum,
  type Tensor,
  transpose,
  TrituneError,
} from '../../../core/mod.ts'
import { identity } from './constants.ts'

/** Terms of the series that PEFT takes. */
export const USUAL_TERMS = 5

/** The series of PEFT: of 2 terms I + 2Q; 3 and 4 give the same. */
export function neumannChange(q: Tensor, terms: number): Tensor {
  if (terms === 1) return affine(q, { scale: 0 })
  const twice = affine(q, { scale: 2 })
  if (terms === 2) return twice
  let change = q
  for (let power = Math.max(3, terms - 1); power > 1; power--) change = add(twice, matmul(q, change))
  return change
}

/**
 * R itself for the usual 5 terms, I + 2Q + 2Q² + 2Q³ + Q⁴ = C·A² with A = I + Q and C = I + Q² = 2I − A·Aᵀ: in half as many ops as the
 * series, most of whose time goes into starting them.
 *
 *   dS = C·dR, dC = dR·Sᵀ with S = A²      dA = dS·Aᵀ + Aᵀ·dS − (dC + dCᵀ)·A
 */
export function neumannRotation(q: Tensor): Tensor {
  const links = linksOf<Tensor>({ q })
  const [rotation, ...kept] = noGrad(() =>
    scoped((): [Tensor, Tensor, Tensor, Tensor] => {
      const eye = identity(q.shape[1], q.device)
      const a = add(q, eye)
      const c = sub(affine(eye, { scale: 2 }), matmul(a, a, { transposeB: true }))
      const s = matmul(a, a)
      return [matmul(c, s), a, c, s]
    }),
  )
  if (!links) {
    for (const one of kept) one.dispose()
    return rotation
  }
  for (const one of kept) one.adopt(null)
  const [a, c, s] = kept
  record(
    {
      name: 'neumann',
      links,
      backward({ y: dy }) {
        if (!dy) return {}
        const [dc, ds] = [matmul(dy, s, { transposeB: true }), matmul(c, dy)]
        const ofSquare = add(matmul(ds, a, { transposeB: true }), matmul(a, ds, { transposeA: true }))
        return { q: sub(ofSquare, matmul(add(dc, transpose(dc)), a)) }
      },
      release() {
        for (const one of kept) one.dispose()
      },
    },
    { y: rotation },
  )
  return rotation
}

/**
 * D = −2Q·S with S = (I + Q)⁻¹, exact to f32; dQ = −2·Sᵀ·dD·Sᵀ.
 *
 * I + Q can always be inverted, and X ← X(2I − (I + Q)X) from X = c(I − Q) always gets there: (I + Q)(I − Q) has eigenvalues in
 * [1, 1 + ‖Q‖²/2], so with c = 2/(2 + ‖Q‖²/2) the error starts below 1, and each round squares it.
 */
export function cayleyChange(q: Tensor): Tensor {
  const links = linksOf<Tensor>({ q })
  const [change, inverse] = noGrad(() =>
    scoped((): [Tensor, Tensor] => {
      const found = inverseOfShifted(q)
      return [affine(matmul(q, found), { scale: -2 }), found]
    }),
  )
  if (!links) {
    inverse.dispose()
    return change
  }
  inverse.adopt(null)
  record(
    {
      name: 'cayley',
      links,
      backward({ y: dy }) {
        if (!dy) return {}
        const half = matmul(inverse, dy, { transposeA: true })
        return { q: affine(matmul(half, inverse, { transposeB: true }), { scale: -2 }) }
      },
      release: () => inverse.dispose(),
    },
    { y: change },
  )
  return change
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** What is left of the error is below 2⁻⁵⁴. */
const SMALL = 54 * Math.LN2

/** (I + Q)⁻¹ of each block. */
function inverseOfShifted(q: Tensor): Tensor {
  const [blocks, size] = q.shape
  const eye = identity(size, q.device)
  const norms = sum(reshape(square(q), [blocks, size * size]), { axis: 1, keepDims: true })
  const largest = norms.toArray().reduce((most, one) => (one > most || Number.isNaN(one) ? one : most), 0)
  if (!Number.isFinite(largest))
    throw new TrituneError('E_NAN', 'the numbers of a rotation are NaN, Inf or too large', {
      remedy: 'lower learning_rate',
    })
  // c = 2/(2 + ‖Q‖²/2) of each block
  const scale = reshape(reciprocal(affine(norms, { scale: 1 / 4, shift: 1 })), [blocks, 1, 1])
  const shifted = add(q, eye)
  let x = mul(sub(eye, q), scale)
  for (let round = roundsFor(largest); round > 0; round--)
    x = sub(affine(x, { scale: 2 }), matmul(matmul(x, shifted), x))
  return x
}

/** The error starts at (‖Q‖²/2)/(2 + ‖Q‖²/2) = 1 − 4/(4 + ‖Q‖²). */
function roundsFor(norm: number): number {
  if (norm === 0) return 0
  return Math.max(0, Math.ceil(Math.log2(SMALL / -Math.log1p(-4 / (4 + norm)))))
}
