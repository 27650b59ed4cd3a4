/**
 * GpuDispatchable: work that runs on whichever device its inputs live on. The CPU path always exists.
 */
import type { Device, GpuDevice } from './device.ts'
import { TrituneError } from '../errors.ts'

export interface GpuDispatchable<I, O> {
  dispatchCpu(input: I): O
  dispatchGpu?(input: I, device: GpuDevice): O
  /** On the GPU when the inputs are there and it can, else on the CPU; E_DEVICE when neither fits. */
  dispatch(input: I): O
}

export interface DispatchPaths<I, O> {
  readonly name: string
  /** Where the inputs live. */
  deviceOf(input: I): Device
  cpu(input: I): O
  gpu?(input: I, device: GpuDevice): O
}

/** Builds a GpuDispatchable from its paths. Inputs on a GPU without a GPU path are an error, never a silent copy. */
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
