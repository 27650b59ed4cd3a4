/**
 * What goes into the package `tritune` beside what tsc makes: the bundled model, the documents, package.json.
 */
import { copyFileSync, cpSync, existsSync, readdirSync, writeFileSync } from 'node:fs'
import { ROOT } from '../_setup.ts'
import { rootManifest, tritunePackageJson } from './manifests.ts'
import { PLATFORM_PACKAGES } from './platform-packages.ts'

const DOCUMENTS = ['README.md', 'LICENSE', 'CHANGELOG.md', 'SECURITY.md']

/** Returns its folder in `dist`, which has been compiled into. */
export function writeTritunePackage(dist: string): string {
  const folder = `${dist}tritune/`
  for (const part of ['quickstart', 'templates']) cpSync(ROOT + part, folder + part, { recursive: true })
  for (const name of readdirSync(`${ROOT}plugins`)) {
    const readme = `plugins/${name}/README.md`
    if (existsSync(ROOT + readme) && existsSync(`${folder}plugins/${name}`))
      copyFileSync(ROOT + readme, folder + readme)
  }
  for (const file of DOCUMENTS) if (existsSync(ROOT + file)) copyFileSync(ROOT + file, folder + file)
  const files = readdirSync(folder).filter((name) => name !== 'package.json')
  const manifest = tritunePackageJson(rootManifest(), PLATFORM_PACKAGES, files.toSorted())
  writeFileSync(`${folder}package.json`, `${JSON.stringify(manifest, null, 2)}\n`)
  return folder
}
