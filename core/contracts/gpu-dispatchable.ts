/**
 * GpuDispatchable: work that runs on whichever device its inputs live on. The CPU path always exists.
 */
import type { Device, GpuDevice } from './device.ts'
import { TrituneError } from '../errors.ts'

/** Work of two paths, one for the CPU and one for the GPU, that is sent to wherever its inputs live. */
export interface GpuDispatchable<I, O> {
  dispatchCpu(input: I): O
  dispatchGpu?(input: I, device: GpuDevice): O
  /** On the GPU when the inputs are there and it can, else on the CPU; E_DEVICE when neither fits. */
  dispatch(input: I): O
}

/** What `defineDispatch()` makes a dispatch of: the paths, and how to tell where an input lives. */
export interface DispatchPaths<I, O> {
  readonly name: string
  /** Where the inputs live. */
  deviceOf(input: I): Device
  cpu(input: I): O
  gpu?(input: I, device: GpuDevice): O
}

/**
 * Builds a GpuDispatchable from its paths. Inputs on a GPU without a GPU path are an error, never a silent copy.
 *
 * @example
 * ```ts
 * import { add, defineDispatch, sum, type Tensor, tensor, tensorScope } from 'tritune/core'
 *
 * const total = defineDispatch<Tensor, number>({
 *   name: 'total',
 *   deviceOf: (x) => x.device,
 *   cpu: (x) => x.toArray().reduce((a, b) => a + b, 0),
 *   gpu: (x) => sum(x).item(),
 * })
 * using _scope = tensorScope()
 * console.log(total.dispatch(add(tensor([1, 2]), 1))) // → 5
 * ```
 */
export function defineDispatch<I, O>({
  name,
  deviceOf,
  cpu,
  gpu,
}: DispatchPaths<I, O>): GpuDispatchable<I, O> {
  return {
    dispatchCpu: cpu,
    dispatchGpu: gpu,
    dispatch(input) {
      const device = deviceOf(input)
      if (!isGpu(device)) return cpu(input)
      if (gpu) return gpu(input, device)
      throw new TrituneError('E_DEVICE', `${name} has no GPU path and its inputs are on ${device.name}`, {
        remedy: 'move them to the CPU with to(device)',
      })
    },
  }
}

function isGpu(device: Device): device is GpuDevice {
  return device.kind === 'cuda'
}
