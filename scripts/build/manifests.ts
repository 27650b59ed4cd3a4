/**
 * The package.json of each published package, made from the one of the repository: its version, its dependencies.
 */
import { readFileSync } from 'node:fs'
import { OLDEST } from '../../core/native/runtime.ts'
import { ROOT } from '../_setup.ts'
import { entryPoints } from './entry-points.ts'
import type { PlatformPackage } from './platform-packages.ts'

export interface Manifest {
  readonly name: string
  readonly version: string
  readonly [field: string]: unknown
}

export interface RootManifest extends Manifest {
  readonly description: string
  readonly license: string
  readonly dependencies: Readonly<Record<string, string>>
  readonly optionalDependencies: Readonly<Record<string, string>>
}

export function rootManifest(): RootManifest {
  return JSON.parse(readFileSync(`${ROOT}package.json`, 'utf8'))
}

/** Half of an installation, for few: uploads, Arrow and CSV files, rewards by JSON Schema. Who needs one adds it. */
const FOR_FEW: readonly string[] = ['@huggingface/hub', 'ajv', 'apache-arrow', 'csv-parse']

/** What of them is needed lies beside what needs it: a package of half a megabyte for 50 KB of it would be too much. */
const COPIED: readonly string[] = ['uplot']

/** Of `tritune` itself. `platforms` are the packages with native libraries. */
export function tritunePackageJson(
  root: RootManifest,
  platforms: readonly PlatformPackage[],
  files: readonly string[],
): Manifest {
  const wanted = (isDefault: boolean): Record<string, string> =>
    Object.fromEntries(
      platforms.filter((one) => one.isDefault === isDefault).map(({ name }) => [name, root.version]),
    )
  const named = (isForFew: boolean): Record<string, string> =>
    Object.fromEntries(
      Object.entries(root.dependencies).filter(
        ([name]) => FOR_FEW.includes(name) === isForFew && !COPIED.includes(name),
      ),
    )
  // mitata is for those who import tritune/bench.
  const asked = { ...wanted(false), ...named(true), mitata: '^1.0.34' }
  return {
    ...shared(root),
    description: root.description,
    keywords: ['fine-tuning', 'llm', 'lora', 'peft', 'machine-learning'],
    type: 'module',
    sideEffects: false,
    bin: { tritune: 'scripts/tritune.js' },
    exports: {
      ...Object.fromEntries(
        Object.entries(entryPoints()).map(([name, source]) => {
          const module = `./${source.replace(/\.ts$/, '')}`
          return [name, { types: `${module}.d.ts`, default: `${module}.js` }]
        }),
      ),
      './package.json': './package.json',
    },
    files,
    engines: { node: `>=${OLDEST.node}`, bun: `>=${OLDEST.bun}`, deno: `>=${OLDEST.deno}` },
    dependencies: named(false),
    optionalDependencies: { ...root.optionalDependencies, ...wanted(true) },
    // Named, so that installers that keep packages apart let tritune see the one that somebody adds.
    peerDependencies: asked,
    peerDependenciesMeta: Object.fromEntries(Object.keys(asked).map((name) => [name, { optional: true }])),
  }
}

export function platformPackageJson(
  root: RootManifest,
  { name, description, os, cpu, files }: PlatformPackage,
): Manifest {
  return {
    ...shared(root),
    name,
    description,
    os: [os],
    cpu: [cpu],
    // Installers that know the field leave it out on Alpine and its like.
    ...(os === 'linux' && { libc: ['glibc'] }),
    exports: { './package.json': './package.json' },
    files: files.map((file) => file.slice(file.lastIndexOf('/') + 1)),
    // npm takes a package of a scope for a private one.
    publishConfig: { access: 'public' },
  }
}

function shared({ name, version, license }: RootManifest): Manifest {
  return { name, version, license }
}
