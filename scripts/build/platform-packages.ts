/**
 * The packages with native libraries. The CPU's comes with tritune where it fits; those for NVIDIA GPUs are twenty times its
 * size and are added by who has a GPU; the emulator is for the tests of plugins.
 */
import { copyFileSync, existsSync, mkdirSync, statSync, writeFileSync } from 'node:fs'
import { basename } from 'node:path'
import { TrituneError } from '../../core/errors.ts'
import { expectLibrary } from '../../core/native/expect-library.ts'
import { platformPackage } from '../../core/native/platform-packages.ts'
import { CPU_PLATFORMS, libraryFileName, platformLabel } from '../../core/native/platforms.ts'
import { ROOT } from '../_setup.ts'
import { MOST_BYTES } from '../checks/_library-rules.ts'
import { platformPackageJson, rootManifest } from './manifests.ts'

export interface PlatformPackage {
  readonly name: string
  readonly description: string
  readonly os: string
  readonly cpu: string
  /** In the repository. */
  readonly files: readonly string[]
  /** Bytes that each of them may have. */
  readonly mostBytes: number
  /** Comes with tritune. */
  readonly isDefault: boolean
}

const GPU = { os: 'linux', cpu: 'x64', isDefault: false } as const

export const PLATFORM_PACKAGES: readonly PlatformPackage[] = [
  ...CPU_PLATFORMS.map((platform): PlatformPackage => {
    const [os, cpu] = platform.split('-')
    return {
      os,
      cpu,
      name: platformPackage('cpu', platform),
      description: `The libraries of tritune for ${platformLabel(platform)}`,
      files: ['tritune_cpu', 'tritune_dist'].map(
        (library) => `native/prebuilt/${platform}/${libraryFileName(library, platform)}`,
      ),
      mostBytes: MOST_BYTES.cpu,
      isDefault: true,
    }
  }),
  {
    ...GPU,
    name: platformPackage('cuda', 'linux-x64'),
    description: 'The libraries of tritune for NVIDIA GPUs, for Linux on x86-64: CUDA 13 and CUDA 12',
    files: ['native/prebuilt/linux-x64/libtritune_cuda.so', 'native/prebuilt/linux-x64/libtritune_cuda12.so'],
    mostBytes: MOST_BYTES.cuda,
  },
  {
    ...GPU,
    name: platformPackage('cuda-emulated', 'linux-x64'),
    description: 'The CUDA kernels of tritune on the CPU: for the tests of plugins, on Linux on x86-64',
    files: ['native/emulator/prebuilt/linux-x64/libtritune_cuda_emulated.so'],
    mostBytes: MOST_BYTES['cuda-emulated'],
  },
]

/** Those whose libraries are all in the repository, and those of which one is missing. `root` ends with a slash. */
export function platformPackages(root: string = ROOT): {
  readonly whole: readonly PlatformPackage[]
  readonly missing: readonly PlatformPackage[]
} {
  const isWhole = ({ files }: PlatformPackage): boolean => files.every((file) => existsSync(root + file))
  return {
    whole: PLATFORM_PACKAGES.filter(isWhole),
    missing: PLATFORM_PACKAGES.filter((one) => !isWhole(one)),
  }
}

/** What to say of a package that cannot be made, with the remedy. */
export function describeMissing({ name, files, os, cpu }: PlatformPackage, root: string = ROOT): string {
  const absent = files.filter((file) => !existsSync(root + file)).join(', ')
  const command = name.endsWith(cpu) ? `bun run native --target=${os}-${cpu}` : 'bun run native:cuda'
  return `${name} is not made, as there is no ${absent}; restore it from the repository, or ${command}`
}

/**
 * Makes those that are whole; returns their folders. Throws E_LIBRARY when a library is not for the system of its package, was cut off or
 * is too large.
 */
export function writePlatformPackages(dist: string, root: string = ROOT): string[] {
  return platformPackages(root).whole.map((one) => {
    const folder = `${dist}${one.name}/`
    mkdirSync(folder, { recursive: true })
    for (const file of one.files) {
      checkLibrary(root + file, one)
      copyFileSync(root + file, folder + basename(file))
    }
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

function checkLibrary(path: string, { os, cpu, mostBytes }: PlatformPackage): void {
  expectLibrary(path, `${os}-${cpu}`)
  const { size } = statSync(path)
  if (size <= mostBytes) return
  throw new TrituneError('E_LIBRARY', `the library has ${size} bytes, at most ${mostBytes} may travel`, {
    place: path,
    remedy: 'find what made it grow, or raise MOST_BYTES in scripts/checks/_library-rules.ts with the reason',
  })
}
