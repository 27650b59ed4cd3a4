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

export { type CpuOptions, type Isa, openCpu } from './device.ts'
export { checkOnFirstUse, type FirstUse, type FirstUseFacts } from './first-use.ts'
export { nativeOps } from './ops/mod.ts'
export { type CheckedDType, selfCheck, type SelfCheckOptions } from './self-check.ts'

/** Platforms for which a library is made. */
export const PLATFORMS: readonly string[] = CPU_PLATFORMS

/** The CPU device; on a platform that no library is made for, the reference device and a note that says so. */
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

export const cpu: Plugin & { readonly provides: { readonly device: { readonly cpu: DeviceDefinition } } } =
  definePlugin({
    name: 'cpu',
    provides: { device: { cpu: { name: 'cpu', open: (options) => openCpu(options) } } },
  })
