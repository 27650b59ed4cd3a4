/**
 * One op as a group of a mitata suite: ours as the baseline, beside a copy of the same bytes, the reference, and whatever else.
 */
import { bench, group, summary } from 'mitata'
import {
  createRandom,
  type Device,
  type FloatDType,
  noGrad,
  referenceDevice,
  type Shape,
  sizeOf,
  type Tensor,
  tensor,
  tensorScope,
  useDevice,
  zeros,
} from '../core/mod.ts'
import { openCpuOrReference } from '../plugins/cpu/mod.ts'
import { coldDevice } from './cold-device.ts'
import { goesRound, streamedBytes } from './streamed.ts'

/** Makes tensors of the device and dtype that are measured. They live as long as the benchmark. */
export interface BenchMaker {
  readonly dtype: 'f32' | 'bf16'
  readonly device: Device
  /** Numbers from −0.5 to 0.5. */
  random(shape: Shape, dtype?: FloatDType): Tensor
  integers(values: ArrayLike<number>): Tensor
}

/** What `benchOp()` measures: the op, and what stands beside it. */
export interface BenchOpOptions {
  /** Makes the tensors; what it returns runs the op once. Tensors that a run makes are freed after it. */
  open(make: BenchMaker): () => unknown
  /**
   * Bytes that a run reads and writes. With it the op counts as one that moves memory: it goes round copies of its tensors and of its results,
   * more than the caches hold, and a copy of as many bytes stands beside it.
   */
  readonly bytes?: number
  readonly dtype?: 'f32' | 'bf16'
  /** Default: the CPU. */
  readonly device?: Device
  /** The TypeScript reference beside it; slow. Default: false. */
  readonly reference?: boolean
  /** What else is measured, by name. */
  readonly others?: Readonly<Record<string, () => unknown>>
}

/** What was registered. Its tensors are freed with it; without that they live until the end. */
export interface OpBench extends Disposable {
  /** What mitata calls: one run of the op. */
  readonly ours: () => void
  /** A copy of as many bytes; null where `bytes` was not given or the device cannot copy. */
  readonly copy: (() => void) | null
}

/**
 * Registers a group; `run()` of mitata measures it. Must not be called within a tensor scope.
 *
 * @example
 * ```ts
 * import { run } from 'mitata'
 * import { benchOp } from 'tritune/bench'
 * import { mul } from 'tritune/core'
 *
 * using _scale = benchOp('scale', {
 *   bytes: 2 * 4 * 2048 * 576, // reads and writes
 *   open({ random }) {
 *     const x = random([2048, 576])
 *     return () => mul(x, 2)
 *   },
 * })
 * await run()
 * ```
 */
export function benchOp(name: string, options: BenchOpOptions): OpBench {
  const opened = openOp(name, options)
  summary(() => {
    group(name, () => {
      bench('ours', opened.ours).baseline(true)
      if (opened.copy) bench('memcpy', opened.copy)
      if (opened.reference) bench('reference', opened.reference)
      for (const [other, body] of Object.entries(options.others ?? {})) bench(other, body)
    })
  })
  return opened
}

/** The same without mitata: what would be measured. */
export function openOp(
  name: string,
  { open, bytes, dtype = 'f32', device = openCpuOrReference().device, reference = false }: BenchOpOptions,
): OpBench & { readonly reference: (() => void) | null } {
  const tensors: Tensor[] = []
  const openOn = (on: Device): (() => void) => {
    const random = createRandom(0, `bench/${name}`)
    const kept = (make: () => Tensor): Tensor => {
      const made = make()
      made.adopt(null)
      tensors.push(made)
      return made
    }
    const body = open({
      dtype,
      device: on,
      random: (shape, of = dtype) =>
        kept(() => {
          const values = Float32Array.from({ length: sizeOf(shape) }, () => random.float() - 0.5)
          return tensor(values, { shape, dtype: of, device: on })
        }),
      integers: (values) => kept(() => tensor(values, { dtype: 'i32', device: on })),
    })
    return () => {
      using _device = useDevice(on)
      using _scope = tensorScope()
      noGrad(body)
      on.synchronize?.()
    }
  }
  const copies = bytes === undefined ? 1 : Math.ceil(streamedBytes() / bytes)
  const cold = bytes === undefined ? null : coldDevice(device, streamedBytes())
  const own = cold?.device ?? device
  const ours = goesRound(Array.from({ length: copies }, () => openOn(own)))
  // Memory comes from the system the first time round; that is no part of the op.
  if (cold) for (let i = 0; i < 3 * copies; i++) ours()
  return {
    ours,
    copy: bytes === undefined ? null : copyOf(device, bytes, copies, tensors),
    reference: reference ? openOn(referenceDevice) : null,
    [Symbol.dispose]() {
      for (const one of tensors) one.dispose()
      cold?.flush()
    },
  }
}

/** Reads and writes as many bytes as the op does, and goes round as much. */
function copyOf(device: Device, bytes: number, copies: number, tensors: Tensor[]): (() => void) | null {
  const { copy } = device
  if (!copy) return null
  const half = Math.ceil(bytes / 8)
  const made = Array.from({ length: copies }, () => [0, 1].map(() => zeros([half], { device })))
  tensors.push(...made.flat())
  return goesRound(
    made.map(([from, to]) => () => {
      copy(to.address, from.address, from.bytes)
      device.synchronize?.()
    }),
  )
}
