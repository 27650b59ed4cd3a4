/**
 * The package.json of a new plugin: ES modules with their types first, tritune as a peer so that a program has one copy of it.
 */
import type { PluginNames } from './names.ts'
import { KINDS, type PluginKindName } from './kinds.ts'

export interface PackageOptions {
  readonly names: PluginNames
  readonly kind: PluginKindName
  /** Of this tritune: the oldest that will do. */
  readonly version: string
  readonly author: string | null
}

export function packageJson({ names, kind, version, author }: PackageOptions): object {
  const tritune = `^${version}`
  return {
    name: names.package,
    version: '0.1.0',
    description: `${kind} for tritune: ${KINDS[kind].summary.replace(/\.$/, '').replaceAll(`my-${kind}`, names.name)}`,
    keywords: ['tritune', 'tritune-plugin', `tritune-${kind}`, 'fine-tuning'],
    license: 'MIT',
    ...(author === null ? {} : { author }),
    type: 'module',
    sideEffects: false,
    exports: {
      '.': { types: './dist/mod.d.ts', default: './dist/mod.js' },
      './package.json': './package.json',
    },
    files: ['dist', 'src', 'example', '!example/model'],
    engines: { node: '>=22' },
    // npm takes a package of a scope for a private one, which costs money.
    ...(names.package.startsWith('@') ? { publishConfig: { access: 'public' } } : {}),
    scripts: {
      build: 'tsc -p tsconfig.build.json',
      check: 'tsc -p tsconfig.json',
      test: 'bun test',
      'test:deno': 'deno test -A',
      'test:node': 'node --test "test/*.test.ts"',
      'test:vitest': 'vitest run',
      bench: 'bun bench/mod.ts',
      prepack: 'tsc -p tsconfig.build.json',
    },
    peerDependencies: { tritune },
    devDependencies: { '@types/node': '^24.0.0', mitata: '^1.0.34', tritune, typescript: '^7.0.2' },
  }
}
