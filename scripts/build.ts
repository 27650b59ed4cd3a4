/**
 * `bun run build`: makes `dist/`, the packages that are published. See docs/package.md.
 *
 *   dist/tritune/                       JavaScript, types and source maps; the bundled model and its data
 *   dist/@tritune/<platform>[-…]/       one native library each, or two for the two versions of CUDA
 *   dist/jsr/                           the sources, for JSR
 *
 * A checkout needs none of it: it runs from the sources.
 */
import { rmSync } from 'node:fs'
import { TrituneError } from '../core/errors.ts'
import { compile } from './build/compile.ts'
import { writeJsrPackage } from './build/jsr-package.ts'
import { DIST } from './build/paths.ts'
import { writePlatformPackages } from './build/platform-packages.ts'
import { writeTritunePackage } from './build/tritune-package.ts'
import { ensureInstalled } from './_setup.ts'

/** Makes all packages of npm anew in a folder; returns theirs, the platform packages first. */
export function build(dist: string): string[] {
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
    for (const folder of [...build(DIST), writeJsrPackage(`${DIST}jsr/`)]) console.log(folder)
    console.log(`built in ${((performance.now() - began) / 1000).toFixed(1)} s`)
  } catch (error) {
    if (!(error instanceof TrituneError)) throw error
    console.error(`error: ${error.message}`)
    process.exitCode = 1
  }
}
