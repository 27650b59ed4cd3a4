/**
 * `bun run build`: makes `dist/`, the packages that are published. See docs/package.md.
 *
 *   dist/tritune/                       JavaScript, types and source maps; the bundled model and its data
 *   dist/@tritune/<platform>[-…]/       one native library each, or two for the two versions of CUDA
 *
 * A checkout needs none of it: it runs from the sources.
 */
import { rmSync } from 'node:fs'
import { TrituneError } from '../core/errors.ts'
import { compile } from './build/compile.ts'
import { DIST } from './build/paths.ts'
import { writePlatformPackages } from './build/platform-packages.ts'
import { writeTritunePackage } from './build/tritune-package.ts'
import { ensureInstalled } from './_setup.ts'

/** Makes all packages anew; returns their folders, the platform packages first. */
export function build(): string[] {
  rmSync(DIST, { recursive: true, force: true })
  const { errors } = compile(`${DIST}tritune/`)
  if (errors !== '')
    throw new TrituneError('E_FORMAT', `the sources do not compile:\n${errors}`, { remedy: 'bun run check' })
  return [...writePlatformPackages(), writeTritunePackage()]
}

if (import.meta.main) {
  try {
    await ensureInstalled()
    const began = performance.now()
    for (const folder of build()) console.log(folder)
    console.log(`built in ${((performance.now() - began) / 1000).toFixed(1)} s`)
  } catch (error) {
    if (!(error instanceof TrituneError)) throw error
    console.error(`error: ${error.message}`)
    process.exitCode = 1
  }
}
