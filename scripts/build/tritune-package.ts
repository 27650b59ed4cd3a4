/**
 * What goes into the package `tritune` beside what tsc makes: the bundled model, the WebAssembly modules, the pages, the
 * documents, package.json.
 */
import { spawnSync } from 'node:child_process'
import { copyFileSync, cpSync, existsSync, globSync, readdirSync, writeFileSync } from 'node:fs'
import { TrituneError } from '../../core/errors.ts'
import { ROOT } from '../_setup.ts'
import { SCHEMA_FILE } from '../init/schema-line.ts'
import { rootManifest, tritunePackageJson } from './manifests.ts'
import { writePageFiles } from './page-files.ts'
import { platformPackages } from './platform-packages.ts'

/** For every platform, so that no package of its own is needed. */
const MODULES = 'native/prebuilt/wasm'
const DOCUMENTS = ['README.md', 'LICENSE', 'CHANGELOG.md', 'SECURITY.md']

/** Returns its folder in `dist`, which has been compiled into. */
export function writeTritunePackage(dist: string): string {
  const folder = `${dist}tritune/`
  for (const part of ['quickstart', 'templates']) cpSync(ROOT + part, folder + part, { recursive: true })
  cpSync(ROOT + MODULES, folder + MODULES, { recursive: true })
  writePageFiles(folder)
  for (const name of readdirSync(`${ROOT}plugins`)) {
    const readme = `plugins/${name}/README.md`
    if (existsSync(ROOT + readme) && existsSync(`${folder}plugins/${name}`))
      copyFileSync(ROOT + readme, folder + readme)
  }
  for (const file of globSync('docs/**/*.{md,svg,ts,py}', { cwd: ROOT }))
    cpSync(ROOT + file, folder + file, { recursive: true })
  for (const file of DOCUMENTS) if (existsSync(ROOT + file)) copyFileSync(ROOT + file, folder + file)
  writeSchema(`${folder}${SCHEMA_FILE}`)
  const files = readdirSync(folder).filter((name) => name !== 'package.json')
  const manifest = tritunePackageJson(rootManifest(), platformPackages().whole, files.toSorted())
  writeFileSync(`${folder}package.json`, `${JSON.stringify(manifest, null, 2)}\n`)
  return folder
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** By the command, as it needs packages that may not be there when this module is loaded. */
function writeSchema(file: string): void {
  const command = [`${ROOT}scripts/tritune.ts`, 'schema', '--out', file]
  const { status, stderr } = spawnSync(process.execPath, command, { encoding: 'utf8' })
  if (status !== 0)
    throw new TrituneError('E_FILE', `cannot make the JSON Schema: ${stderr.trim()}`, { place: file })
}
