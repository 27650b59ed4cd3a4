/**
 * The emulated GPU for tests. Its library is bundled where the CPU library is, so nothing is skipped there.
 */
import type { GpuDevice } from '../../core/mod.ts'
import { PLATFORM } from '../../core/native/library.ts'
import { PLATFORMS } from '../../plugins/cpu/mod.ts'
import { openCuda } from '../../plugins/cuda/mod.ts'

export const HAS_EMULATOR: boolean = PLATFORMS.includes(PLATFORM)

export function openEmulated(): GpuDevice {
  return openCuda({ emulated: true })
}
