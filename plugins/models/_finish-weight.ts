/**
 * The last steps of every weight that is loaded: its shape and numbers are checked, its dtype is made the wanted one.
 */
import {
  cast,
  didYouMean,
  empty,
  formatShape,
  firstNonFinite,
  type FloatDType,
  isFloat,
  noGrad,
  type Shape,
  sizeOf,
  type Tensor,
  TrituneError,
} from '../../core/mod.ts'
import { sameShape } from '../../core/tensor/shape.ts'
import { copyElements } from '../../core/tensor/tensor-bytes.ts'

export interface Finish {
  readonly place: string
  readonly name: string
  readonly shape: Shape
  readonly dtype: FloatDType
  readonly copy: boolean
}

/** Takes over `raw`: checks shape and values, converts; the result is `raw` itself when there is nothing to do. */
export function finish(raw: Tensor, { place, name, shape, dtype, copy }: Finish): Tensor {
  let converted = raw
  try {
    if (!sameShape(raw.shape, shape))
      throw new TrituneError(
        'E_SHAPE',
        `tensor "${name}": expected shape ${formatShape(shape)}, got ${formatShape(raw.shape)}`,
        {
          place,
          remedy: 'its configuration and its weights are not of one model: download or copy both again',
        },
      )
    if (!isFloat(raw.dtype))
      throw new TrituneError('E_DTYPE', `tensor "${name}" is ${raw.dtype}, expected f32, f16 or bf16`, {
        place,
      })
    if (raw.dtype !== dtype || copy) converted = noGrad(() => convert(raw, dtype))
    const bad = firstNonFinite(converted)
    if (bad >= 0) {
      throw new TrituneError(
        'E_MODEL',
        `tensor "${name}" has NaN or Inf (first at element ${bad} of ${sizeOf(shape)})`,
        { place, remedy: 'the checkpoint is damaged: download it again' },
      )
    }
    return converted
  } catch (error) {
    converted.dispose()
    throw error
  } finally {
    if (converted !== raw) raw.dispose()
  }
}

function convert(raw: Tensor, dtype: FloatDType): Tensor {
  if (raw.dtype !== dtype) return cast(raw, dtype)
  const copy = empty(raw.shape, { dtype, device: raw.device })
  copyElements(copy, raw)
  return copy
}

export function missing(path: string, name: string, known: Iterable<string>): TrituneError {
  return new TrituneError('E_MODEL', `the checkpoint has no tensor "${name}"`, {
    place: path,
    remedy: didYouMean(name, known),
  })
}
