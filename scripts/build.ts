/**
 * `bun run build`: makes `dist/`, the packages that are published. See docs/package.md.
 *
 *   dist/tritune/                       JavaScript, types and source maps; the bundled model and its data
 *   dist/@tritune/<platform>[-…]/       one native library each, or two for the two versions of CUDA
 *   dist/jsr/                           the sources, for JSR
 *
 * A checkout needs none of it: it runs from the sources. The exit code is 1 when a package could not be made: such a dist is for trying,
 * not for publishing.
 */
import { rmSync } from 'node:fs'
import { TrituneError } from '../core/errors.ts'
import { compile } from './build/compile.ts'
import { writeJsrPackage } from './build/jsr-package.ts'
import { DIST } from './build/paths.ts'
import { describeMissing, platformPackages, writePlatformPackages } from './build/platform-packages.ts'
import { writeTritunePackage } from './build/tritune-package.ts'
import { folderBytes } from './rehearse/folder-bytes.ts'
import { ensureInstalled } from './_setup.ts'

/**
 * Makes all packages of npm anew in a folder; returns theirs, the platform packages first. One whose library is not in the repository is left
 * out, here and in what `tritune` asks for; without those for Linux on x86-64 nothing is made.
 */
export function build(dist: string): string[] {
  const [needed] = platformPackages().missing.filter(({ os, cpu }) => `${os}-${cpu}` === 'linux-x64')
  if (needed) throw new TrituneError('E_LIBRARY', describeMissing(needed))
  rmSync(dist, { recursive: true, force: true })
  const { errors } = compile(`${dist}tritune/`)
  if (errors !== '')
    throw new TrituneError('E_FORMAT', `the sources do not compile:\n${errors}`, { remedy: 'bun run check' })
  return [...writePlatformPackages(dist), writeTritunePackage(dist)]
}

if (import.meta.main) {
  try {
    await ensureInstalled()
    const began = performance.now()
    for (const folder of [...build(DIST), writeJsrPackage(`${DIST}jsr/`)])
      console.log(`${(folderBytes(folder) / 1e6).toFixed(2).padStart(6)} MB  ${folder}`)
    console.log(`built in ${((performance.now() - began) / 1000).toFixed(1)} s`)
    const { missing } = platformPackages()
    for (const one of missing) console.error(`missing: ${describeMissing(one)}`)
    if (missing.length > 0) process.exitCode = 1
  } catch (error) {
    if (!(error instanceof TrituneError)) throw error
    console.error(`error: ${error.message}`)
    process.exitCode = 1
  }
}
