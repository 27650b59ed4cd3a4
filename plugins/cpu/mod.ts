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
import { CPU_PLATFORMS, noCpuLibrary } from '../../core/native/platforms.ts'
import { type CpuOptions, openCpu } from './device.ts'

export { type CpuGemm, type CpuOptions, type Isa, openCpu } from './device.ts'
export { checkOnFirstUse, type FirstUse, type FirstUseFacts } from './first-use.ts'
export { nativeOps } from './ops/mod.ts'
export { type CheckedDType, selfCheck, type SelfCheckOptions } from './self-check.ts'

/** Platforms for which there is a CPU library, as `process.platform`-`process.arch`. */
export const PLATFORMS: readonly string[] = CPU_PLATFORMS

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
    const why = noCpuLibrary()
    if (why === null || !(error instanceof TrituneError) || error.code !== 'E_LIBRARY') throw error
    return {
      device: referenceDevice,
      note: `${why}: running on the TypeScript reference, which is slow`,
    }
  }
}

/** The plugin that provides the device `cpu`. */
export const cpu: Plugin & { readonly provides: { readonly device: { readonly cpu: DeviceDefinition } } } =
  /* @__PURE__ */ definePlugin({
    name: 'cpu',
    provides: { device: { cpu: { name: 'cpu', open: (options) => openCpu(options) } } },
  })
