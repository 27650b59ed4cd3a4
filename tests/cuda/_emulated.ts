/**
 * The emulated GPU for tests. Its library is bundled where the CPU library is, so nothing is skipped there.
 */
import type { GpuDevice } from '../../core/mod.ts'
import { GPU_PLATFORMS, PLATFORM } from '../../core/native/platforms.ts'
import { openCuda } from '../../plugins/cuda/mod.ts'

export const HAS_EMULATOR: boolean = GPU_PLATFORMS.includes(PLATFORM)

export function openEmulated(): GpuDevice {
  return openCuda({ emulated: true })
}
