/**
 * Skew-symmetric blocks from the numbers above their diagonals, as OFT stores them: Q = M − Mᵀ.
 *
 * Both ways are gathers of rows, so the gradient costs what the forward pass costs.
 */
import {
  type Device,
  embedding,
  linksOf,
  mul,
  noGrad,
  record,
  scoped,
  sub,
  tensor,
  type Tensor,
  transpose,
} from '../../../core/mod.ts'
import { lasting } from '../delta/leaves.ts'

/** Makes the blocks of one size; owns what it looks up by. */
export interface SkewMaker extends Disposable {
  /** (n, b(b−1)/2) f32, rows of the strict upper triangle one after the other → (n, b, b). */
  make(vectors: Tensor): Tensor
}

/** For blocks of `size` on `device`. */
export function createSkewMaker(size: number, device: Device): SkewMaker {
  const count = (size * (size - 1)) / 2
  const [upper, lower] = [new Int32Array(count), new Int32Array(count)]
  const [from, signs] = [new Int32Array(size * size), new Float32Array(size * size)]
  for (let i = 0, at = 0; i < size; i++)
    for (let j = i + 1; j < size; j++, at++) {
      upper[at] = i * size + j
      lower[at] = j * size + i
      from[upper[at]] = from[lower[at]] = at
      signs[upper[at]] = 1
      signs[lower[at]] = -1
    }
  const ids = (values: Int32Array): Tensor => lasting(tensor(values, { dtype: 'i32', device }))
  const lookup = { upper: ids(upper), lower: ids(lower), from: ids(from) }
  const sign = lasting(tensor(signs, { shape: [size * size, 1], device }))
  return {
    make(vectors) {
      const links = linksOf<Tensor>({ vectors })
      const rows = vectors.shape[0]
      const made = noGrad(() =>
        scoped(() => {
          const entries = mul(embedding(transpose(vectors), lookup.from), sign)
          return transpose(entries).view([rows, size, size])
        }),
      )
      if (links)
        record(
          {
            name: 'skew',
            links,
            backward({ y: dy }) {
              if (!dy) return {}
              const entries = transpose(dy.view([rows, size * size]))
              const slopes = sub(embedding(entries, lookup.upper), embedding(entries, lookup.lower))
              return { vectors: transpose(slopes) }
            },
            release() {},
          },
          { y: made },
        )
      return made
    },
    [Symbol.dispose]() {
      for (const one of Object.values(lookup)) one.dispose()
      sign.dispose()
    },
  }
}
