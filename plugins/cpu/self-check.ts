/**
 * Asks a device for something whose answer is known, before a run trusts it: a small LoRA step through the kernels that a
 * run needs most, compared with the f64 reference. A wrong driver, library or kernel is an error then, and not a bad model.
 */
import {
  attention,
  backward,
  createRandom,
  type Device,
  linear,
  linearCrossEntropy,
  parameter,
  referenceDevice,
  reshape,
  type Shape,
  sizeOf,
  tensor,
  type Tensor,
  tensorScope,
  TrituneError,
} from '../../core/mod.ts'
import { invocation } from '../../core/invocation.ts'

/** What the frozen weights of the small step can be. */
export type CheckedDType = keyof typeof TOLERANCE

/** How much is checked, and what an error says. */
export interface SelfCheckOptions {
  /** Of the activations and the frozen weights. */
  readonly dtypes?: readonly CheckedDType[]
  /** What to use instead of this device. */
  readonly instead?: string
  /** What belongs into a report. */
  readonly what?: string
}

/**
 * Throws E_DEVICE when `device` computes something else than the reference. Takes about a tenth of a second.
 *
 * @example
 * ```ts
 * import { openCpu, selfCheck } from 'tritune/plugins/cpu'
 *
 * selfCheck(openCpu(), { dtypes: ['f32', 'bf16'] }) // throws E_DEVICE when a training step differs from the reference's
 * ```
 */
export function selfCheck(
  device: Device,
  { dtypes = ['bf16'], instead = 'cpu', what = 'the GPU, its driver' }: SelfCheckOptions = {},
): void {
  for (const dtype of dtypes) {
    const expected = smallStep(referenceDevice, dtype)
    const got = smallStep(device, dtype)
    for (const [name, values] of Object.entries(expected)) {
      const difference = relativeDifference(got[name], values)
      if (difference <= TOLERANCE[dtype]) continue
      throw new TrituneError(
        'E_DEVICE',
        `${device.name} computes wrong numbers: ${name} of a small LoRA step in ${dtype} is off by ${difference.toPrecision(2)} of its size`,
        { remedy: `use device: ${instead}, and report ${what} and the output of ${invocation('doctor')}` },
      )
    }
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** bf16 through three layers differs by about a hundredth, f32 by less than a millionth. */
const TOLERANCE = { f32: 1e-4, bf16: 0.05 } as const
const [TOKENS, CHANNELS, HEADS, KV_HEADS, SIZE, RANK, VOCABULARY] = [72, 64, 4, 2, 64, 8, 136]

function smallStep(device: Device, base: CheckedDType): Record<string, Float32Array> {
  using _scope = tensorScope()
  const make = (name: string, shape: Shape, dtype: CheckedDType): Tensor => {
    const random = createRandom(1, `self-check/${name}`)
    const values = Float32Array.from(
      { length: sizeOf(shape) },
      () => random.normal() / Math.sqrt(shape.at(-1) ?? 1),
    )
    return tensor(values, { shape, dtype, device })
  }
  const indices = (values: readonly number[]): Tensor => tensor(values, { dtype: 'i32', device })
  const x = make('x', [TOKENS, CHANNELS], base)
  const a = parameter(make('a', [RANK, CHANNELS], 'f32'))
  const b = parameter(make('b', [HEADS * SIZE, RANK], 'f32'))
  const q = linear(x, make('q', [HEADS * SIZE, CHANNELS], base), { lora: { a, b, scale: 2 } })
  const kv = linear(x, make('kv', [KV_HEADS * SIZE, CHANNELS], base))
  const heads = reshape(kv, [TOKENS, KV_HEADS, SIZE])
  const offsets = indices([0, 40, TOKENS])
  const o = attention(reshape(q, [TOKENS, HEADS, SIZE]), heads, heads, {
    offsetsQ: offsets,
    offsetsK: offsets,
    scale: 1,
  })
  const targets = indices(
    Array.from({ length: TOKENS }, (_, i) => (i % 5 === 0 ? -100 : (i * 7) % VOCABULARY)),
  )
  const head = make('head', [VOCABULARY, HEADS * SIZE], base)
  const loss = linearCrossEntropy(reshape(o, [TOKENS, HEADS * SIZE]), head, targets, { scale: 1 / TOKENS })
  backward(loss)
  const gradient = ({ grad }: Tensor): Float32Array => grad?.toArray() ?? new Float32Array()
  return { 'the loss': loss.toArray(), 'the gradient of A': gradient(a), 'the gradient of B': gradient(b) }
}

function relativeDifference(got: Float32Array, expected: Float32Array): number {
  let [difference, size] = [0, 0]
  for (let i = 0; i < expected.length; i++) {
    difference += (got[i] - expected[i]) ** 2
    size += expected[i] ** 2
  }
  const relative = Math.sqrt(difference / size)
  return Number.isNaN(relative) ? Infinity : relative
}
