/**
 * The CUDA devices. See README.md.
 *
 * @module
 */
import { definePlugin, type DeviceDefinition, type Plugin } from '../../core/mod.ts'
import { openCuda } from './device.ts'

export { type CudaOptions, openCuda } from './device.ts'
export { selfCheck } from '../cpu/mod.ts'
export {
  type DeviceName,
  isDeviceName,
  openDevice,
  type OpenDeviceOptions,
  type OpenedDevice,
} from './open-device.ts'

/** The plugin that provides the device `cuda`: the first NVIDIA GPU. */
export const cuda: Plugin & { readonly provides: { readonly device: { readonly cuda: DeviceDefinition } } } =
  /* @__PURE__ */ definePlugin({
    name: 'cuda',
    provides: { device: { cuda: { name: 'cuda', open: () => openCuda() } } },
  })
