/**
 * A plugin as somebody else would publish it: docs/examples/vector-scale.ts as a package.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT } from '../_setup.ts'

export const PLUGIN = 'tritune-plugin-vector-scale'

/** Makes the package in a folder. */
export function writePlugin(folder: string, trituneVersion: string): void {
  mkdirSync(folder, { recursive: true })
  const source = readFileSync(`${ROOT}docs/examples/vector-scale.ts`, 'utf8')
  writeFileSync(join(folder, 'mod.js'), new Bun.Transpiler({ loader: 'ts' }).transformSync(source))
  const manifest = {
    name: PLUGIN,
    version: '1.0.0',
    license: 'MIT',
    type: 'module',
    exports: './mod.js',
    files: ['mod.js'],
    dependencies: { valibot: '1.5.0' },
    peerDependencies: { tritune: `^${trituneVersion}` },
  }
  writeFileSync(join(folder, 'package.json'), JSON.stringify(manifest, null, 2))
}
