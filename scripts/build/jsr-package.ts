/**
 * The package for JSR, which takes TypeScript: the sources of the library with their endings, and a deno.json. It has no commands
 * and no native libraries; who uses it adds `npm:@tritune/linux-x64`.
 */
import { copyFileSync, globSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { ROOT } from '../_setup.ts'
import { entryPoints } from './entry-points.ts'
import { rootManifest } from './manifests.ts'

/** Makes it anew in a folder; returns that. Tried with `deno publish --dry-run --allow-dirty` there. */
export function writeJsrPackage(folder: string): string {
  rmSync(folder, { recursive: true, force: true })
  const entries = Object.entries(entryPoints()).filter(([name]) => name !== './testing' && name !== './bench')
  const sources = globSync(['mod.ts', 'browser.ts', 'core/**/*.ts', 'plugins/**/*.ts'], { cwd: ROOT })
  for (const file of [...sources, 'README.md', 'LICENSE']) {
    mkdirSync(dirname(folder + file), { recursive: true })
    copyFileSync(ROOT + file, folder + file)
  }
  const { version, license, dependencies } = rootManifest()
  const manifest = {
    name: '@tritune/tritune',
    version,
    license,
    exports: Object.fromEntries(entries.map(([name, source]) => [name, `./${source}`])),
    imports: Object.fromEntries(
      Object.entries(dependencies).map(([name, range]) => [name, `npm:${name}@${range}`]),
    ),
  }
  writeFileSync(`${folder}deno.json`, `${JSON.stringify(manifest, null, 2)}\n`)
  return folder
}
