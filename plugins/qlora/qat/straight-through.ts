/** Rounding that gradients do not see, but where a number was cut off. */
import { cast, mul, type Tensor } from '../../../core/mod.ts'
import { addTo } from '../../../core/ops/accumulate.ts'
import { linksOf, record } from '../../../core/tensor/tape.ts'
import { type FakeFormat, fakeQuantize, passingGradient } from './fake-quantize.ts'

/** Rounded on the way there, and as if it were not on the way back. */
export function straightThrough(x: Tensor, format: FakeFormat): Tensor {
  const y = fakeQuantize(x, format)
  const links = linksOf({ x })
  if (!links) return y
  // The tape frees it: what is cut off is known from the numbers.
  const kept = x.view(x.shape)
  kept.adopt(null)
  record(
    {
      name: 'fake_quantize',
      links,
      release: () => kept.dispose(),
      backward({ y: dy }, { accumulator, pending }) {
        if (!dy) return {}
        const passing = passingGradient(kept, format)
        const dx = passing ? mul(dy, cast(passing, dy.dtype)) : dy
        const into = x.requiresGrad ? accumulator('x') : pending('x')
        if (into === null) return { x: dx }
        addTo(into, dx)
        return { x: into }
      },
    },
    { y },
  )
  return y
}
