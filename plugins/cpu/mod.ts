/**
 * The CPU device. See README.md.
 *
 * @module
 */
import {
  definePlugin,
  type Device,
  type DeviceDefinition,
  type Plugin,
  referenceDevice,
  TrituneError,
} from '../../core/mod.ts'
import { PLATFORM } from '../../core/native/library.ts'
import { type CpuOptions, openCpu } from './device.ts'

export { type CpuGemm, type CpuOptions, type Isa, openCpu } from './device.ts'
export { nativeOps } from './ops/mod.ts'

/** Platforms for which there is a CPU library, as `process.platform`-`process.arch`. */
export const PLATFORMS: readonly string[] = ['linux-x64']

/**
 * The CPU device; on a platform that no library is made for, the reference device and a note that says so.
 *
 * @example
 * ```ts
 * import { openCpuOrReference } from 'tritune/plugins/cpu'
 *
 * const { device, note } = openCpuOrReference({ threads: 2 })
 * if (note !== null) console.log(note) // there is no native library for this platform
 * console.log(device.description)
 * ```
 */
export function openCpuOrReference(options: CpuOptions = {}): {
  readonly device: Device
  readonly note: string | null
} {
  try {
    return { device: openCpu(options), note: null }
  } catch (error) {
    if (PLATFORMS.includes(PLATFORM) || !(error instanceof TrituneError) || error.code !== 'E_LIBRARY')
      throw error
    return {
      device: referenceDevice,
      note: `no native library for ${PLATFORM} yet: running on the TypeScript reference, which is slow`,
    }
  }
}

/** The plugin that provides the device `cpu`. */
export const cpu: Plugin & { readonly provides: { readonly device: { readonly cpu: DeviceDefinition } } } =
  definePlugin({
    name: 'cpu',
    provides: { device: { cpu: { name: 'cpu', open: (options) => openCpu(options) } } },
  })
