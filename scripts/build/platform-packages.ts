/**
 * The packages with native libraries. The CPU's comes with tritune where it fits; those for NVIDIA GPUs are twenty times its
 * size and are added by who has a GPU; the emulator is for the tests of plugins.
 */
import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs'
import { basename } from 'node:path'
import { platformPackage } from '../../core/native/platform-packages.ts'
import { ROOT } from '../_setup.ts'
import { platformPackageJson, rootManifest } from './manifests.ts'

export interface PlatformPackage {
  readonly name: string
  readonly description: string
  readonly os: string
  readonly cpu: string
  /** In the repository. */
  readonly files: readonly string[]
  /** Comes with tritune. */
  readonly isDefault: boolean
}

const LINUX_X64 = { os: 'linux', cpu: 'x64' } as const

export const PLATFORM_PACKAGES: readonly PlatformPackage[] = [
  {
    ...LINUX_X64,
    name: platformPackage('cpu', 'linux-x64'),
    description: 'The CPU library of tritune for Linux on x86-64',
    files: ['native/prebuilt/linux-x64/libtritune_cpu.so'],
    isDefault: true,
  },
  {
    ...LINUX_X64,
    name: platformPackage('cuda', 'linux-x64'),
    description: 'The libraries of tritune for NVIDIA GPUs, for Linux on x86-64: CUDA 13 and CUDA 12',
    files: ['native/prebuilt/linux-x64/libtritune_cuda.so', 'native/prebuilt/linux-x64/libtritune_cuda12.so'],
    isDefault: false,
  },
  {
    ...LINUX_X64,
    name: platformPackage('cuda-emulated', 'linux-x64'),
    description: 'The CUDA kernels of tritune on the CPU: for the tests of plugins, on Linux on x86-64',
    files: ['native/emulator/prebuilt/linux-x64/libtritune_cuda_emulated.so'],
    isDefault: false,
  },
]

/** Returns their folders. */
export function writePlatformPackages(dist: string): string[] {
  return PLATFORM_PACKAGES.map((one) => {
    const folder = `${dist}${one.name}/`
    mkdirSync(folder, { recursive: true })
    for (const file of one.files) copyFileSync(ROOT + file, folder + basename(file))
    copyFileSync(`${ROOT}LICENSE`, `${folder}LICENSE`)
    writeFileSync(
      `${folder}package.json`,
      `${JSON.stringify(platformPackageJson(rootManifest(), one), null, 2)}\n`,
    )
    writeFileSync(
      `${folder}README.md`,
      `# ${one.name}\n\n${one.description}. Nothing to import: tritune finds it.\n`,
    )
    return folder
  })
}
