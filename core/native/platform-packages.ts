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
import { isCheckout } from '../invocation.ts'
import { PLATFORM } from './platforms.ts'
import { runtimeOf } from './runtime.ts'

/** `cuda-emulated`: the CUDA kernels on the CPU, for tests. */
export type LibraryDevice = 'cpu' | 'cuda' | 'cuda-emulated'

const SUFFIX: { readonly [D in LibraryDevice]: string } = {
  cpu: '',
  cuda: '-cuda',
  'cuda-emulated': '-emulator',
}

/** The package that has the libraries of a device for a platform. */
export function platformPackage(device: LibraryDevice, platform: string = PLATFORM): string {
  return `@tritune/${platform}${SUFFIX[device]}`
}

/** The folders that may have the libraries of a device, the one that counts first. One that is not there is named where none is. */
export function libraryFolders(device: LibraryDevice): string[] {
  const root = ownFolder()
  if (isCheckout()) {
    const prebuilt = device === 'cuda-emulated' ? 'native/emulator/prebuilt' : 'native/prebuilt'
    return [join(root, prebuilt, PLATFORM)]
  }
  const name = platformPackage(device)
  // Beside this package, where nothing else is found: so it lies in `dist/`, and there it is looked for.
  return [installedAt(name, [root, process.cwd()]) ?? resolvedByRuntime(name) ?? join(root, '..', name)]
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

/** The folder above core/; the working folder where this was loaded from the network. */
function ownFolder(): string {
  const url = new URL('../../', import.meta.url)
  return url.protocol === 'file:' ? fileURLToPath(url) : process.cwd()
}

/** Deno keeps packages in its cache, where no folder leads from one to the other. */
function resolvedByRuntime(name: string): string | null {
  if (runtimeOf(process.versions) === 'bun' || !import.meta.url.startsWith('file:')) return null
  try {
    return dirname(createRequire(import.meta.url).resolve(`${name}/package.json`))
  } catch {
    return null
  }
}

function realPath(path: string): string {
  return existsSync(path) ? realpathSync(path) : path
}
