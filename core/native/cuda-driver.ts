/**
 * Which of the two bundled CUDA libraries fits the machine's NVIDIA driver.
 *
 * A library made with CUDA 13 needs a driver that knows CUDA 13 (R580); one made with CUDA 12 runs on every driver from R525
 * (CUDA's minor version compatibility). Whether a GPU can be used is not decided here: tt_devices() of the library says it.
 * https://docs.nvidia.com/deploy/cuda-compatibility/
 */
import { openModule } from './ffi.ts'

interface Build {
  readonly file: string
  /** What `cuDriverGetVersion` says at least: 13000 = CUDA 13.0. */
  readonly driver: number
}

/** Newest first. */
const BUILDS: readonly Build[] = [
  { file: 'libtritune_cuda.so', driver: 13000 },
  { file: 'libtritune_cuda12.so', driver: 12000 },
]

/**
 * File names, the one to open first: the newest that the driver can run. The others follow, because a library that the driver
 * cannot run still opens and says what is missing. Without a driver the newest is first.
 */
export function cudaLibraryFiles(driver: number | null): string[] {
  const fits = (build: Build): boolean => driver === null || driver >= build.driver
  const files = (builds: readonly Build[]): string[] => builds.map(({ file }) => file)
  return [...files(BUILDS.filter(fits)), ...files(BUILDS.filter((build) => !fits(build)).toReversed())]
}

/** CUDA version of the NVIDIA driver (12040 = 12.4), or null where there is none. */
export function cudaDriverVersion(): number | null {
  const version = new Int32Array(1)
  try {
    const driver = openModule<{ cuDriverGetVersion(version: Int32Array): number }>('libcuda.so.1', {
      cuDriverGetVersion: { args: ['buf'], returns: 'i32' },
    })
    return driver.functions.cuDriverGetVersion(version) === 0 ? version[0] : null
  } catch {
    // No driver is no error here: the library that is opened then reports it, with a remedy.
    return null
  }
}
