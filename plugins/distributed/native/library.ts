/**
 * Finds and opens libtritune_dist: where TRITUNE_DIST_LIBRARY says, or beside the library for the CPU.
 */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { TrituneError } from '../../../core/errors.ts'
import { expectLibrary, openFailure } from '../../../core/native/expect-library.ts'
import { expectForeignFunctions, openModule } from '../../../core/native/ffi.ts'
import { libraryRemedy } from '../../../core/native/library-remedy.ts'
import { libraryFolders } from '../../../core/native/platform-packages.ts'
import { libraryFileName } from '../../../core/native/platforms.ts'
import { DIST_ABI_VERSION, DIST_SYMBOLS, type DistFunctions } from './symbols.ts'

export interface DistLibrary {
  readonly path: string
  readonly functions: DistFunctions
}

/** Throws E_LIBRARY where it is missing, damaged, or of another version. */
export function openDistLibrary(): DistLibrary {
  const path = findLibrary()
  expectLibrary(path)
  const functions = openFunctions(path)
  const version = functions.tt_dist_abi_version()
  if (version === DIST_ABI_VERSION) return { path, functions }
  throw new TrituneError(
    'E_LIBRARY',
    `the library has ABI version ${version}, this tritune needs ${DIST_ABI_VERSION}`,
    { place: path, remedy: libraryRemedy(path, 'other') },
  )
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function findLibrary(): string {
  const named = process.env['TRITUNE_DIST_LIBRARY']
  const candidates = named
    ? [named]
    : libraryFolders('cpu').map((folder) => join(folder, libraryFileName('tritune_dist')))
  const found = candidates.find((path) => existsSync(path))
  if (found !== undefined) return found
  expectForeignFunctions()
  throw new TrituneError(
    'E_LIBRARY',
    `libtritune_dist, which connects processes, is not there: looked for ${candidates.join(', ')}`,
    { remedy: libraryRemedy(candidates[0], 'missing') },
  )
}

function openFunctions(path: string): DistFunctions {
  try {
    return openModule<DistFunctions>(path, DIST_SYMBOLS).functions
  } catch (cause) {
    throw cause instanceof TrituneError ? cause : openFailure(path, cause)
  }
}
