/**
 * Where native libraries lie: in `native/` of a checkout, or in packages of their own beside an installed tritune,
 * `@tritune/linux-x64` and its like, so that nobody downloads what his machine cannot use.
 *
 * A package is looked for as the runtimes do it, in node_modules from here up and from the working folder up, by looking and not by
 * asking: Bun would install what it does not find.
 */
import { existsSync, realpathSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { runtimeOf } from './runtime.ts'

/** `cuda-emulated`: the CUDA kernels on the CPU, for tests. */
export type LibraryDevice = 'cpu' | 'cuda' | 'cuda-emulated'

/** `linux-x64`, `darwin-arm64`, …: in the names of packages and of the folders under native/prebuilt. */
export const PLATFORM: string = `${process.platform}-${process.arch}`

const SUFFIX: { readonly [D in LibraryDevice]: string } = {
  cpu: '',
  cuda: '-cuda',
  'cuda-emulated': '-emulator',
}

/** The package that has the libraries of a device for a platform. */
export function platformPackage(device: LibraryDevice, platform: string = PLATFORM): string {
  return `@tritune/${platform}${SUFFIX[device]}`
}

/** Whether this is a checkout, with the sources of the libraries, and not an installed package. */
export function isCheckout(): boolean {
  return existsSync(join(ROOT, 'native/include/tritune.h'))
}

/** The folders that may have the libraries of a device, the one that counts first. One that is not there is named where none is. */
export function libraryFolders(device: LibraryDevice): string[] {
  if (isCheckout()) {
    const prebuilt = device === 'cuda-emulated' ? 'native/emulator/prebuilt' : 'native/prebuilt'
    return [join(ROOT, prebuilt, PLATFORM)]
  }
  const name = platformPackage(device)
  const found = installedAt(name, [ROOT, process.cwd()]) ?? resolvedByRuntime(name)
  return [found ?? join(ROOT, '..', name)]
}

/** Folder of an installed package, above one of some folders; a link is followed. */
export function installedAt(name: string, starts: readonly string[]): string | null {
  for (const start of starts) {
    for (let folder = realPath(start); ; folder = dirname(folder)) {
      const candidate = join(folder, 'node_modules', name)
      if (existsSync(join(candidate, 'package.json'))) return realPath(candidate)
      if (folder === dirname(folder)) break
    }
  }
  return null
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** The folder above core/. */
const ROOT: string = fileURLToPath(new URL('../../', import.meta.url))

/** Deno keeps packages in its cache, where no folder leads from one to the other. */
function resolvedByRuntime(name: string): string | null {
  if (runtimeOf(process.versions) === 'bun') return null
  try {
    return dirname(createRequire(import.meta.url).resolve(`${name}/package.json`))
  } catch {
    return null
  }
}

function realPath(path: string): string {
  return existsSync(path) ? realpathSync(path) : path
}
