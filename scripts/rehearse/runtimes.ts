/**
 * How a person uses tritune in each runtime: what he types, and the programs on his PATH.
 */
import { existsSync } from 'node:fs'
import { delimiter, dirname, join } from 'node:path'
import { denoCommand } from '../_deno.ts'
import { folderOfProgram } from './run.ts'
import { nodeFolder } from './tools.ts'

export const RUNTIMES = ['bun', 'deno', 'node22', 'node24'] as const
export type RuntimeName = (typeof RUNTIMES)[number]

export function isRuntimeName(name: string): name is RuntimeName {
  return RUNTIMES.some((known) => known === name)
}

export interface ClientRuntime {
  readonly name: RuntimeName
  /** Folders before those of the system. */
  readonly path: readonly string[]
  /** Files of a new project. */
  readonly files: Readonly<Record<string, string>>
  install(packages: readonly string[]): readonly string[]
  tritune(args: readonly string[]): readonly string[]
  /** Runs a file of the project. */
  script(file: string): readonly string[]
}

const PACKAGE_JSON = JSON.stringify({ name: 'stranger', version: '0.0.0', private: true, type: 'module' })

/** Node has to be among the tools that are installed. */
export function clientRuntime(name: RuntimeName): ClientRuntime {
  if (name === 'bun')
    return {
      name,
      path: [dirname(process.execPath)],
      files: { 'package.json': PACKAGE_JSON },
      install: (packages) => ['bun', 'add', ...packages],
      // The Node of this machine may be older than tritune needs: who has Bun does not care.
      tritune: (args) => ['bunx', 'tritune', ...args],
      script: (file) => ['bun', file],
    }
  if (name === 'deno') {
    const [deno, ...more] = denoCommand()
    return {
      name,
      path: more.length === 0 ? [dirname(deno)] : [],
      files: { 'deno.json': JSON.stringify({ nodeModulesDir: 'auto' }) },
      // Deno holds back packages of the last 24 hours.
      install: (packages) => [
        deno,
        ...more,
        'add',
        '--min-dep-age=0',
        ...packages.map((one) => `npm:${one}`),
      ],
      tritune: (args) => [deno, ...more, 'run', '-A', '--min-dep-age=0', 'npm:tritune', ...args],
      script: (file) => [deno, ...more, 'run', '-A', file],
    }
  }
  return {
    name,
    path: [nodeFolder(name)],
    files: { 'package.json': PACKAGE_JSON },
    install: (packages) => ['npm', 'install', ...packages],
    tritune: (args) => ['npx', 'tritune', ...args],
    script: (file) => ['node', file],
  }
}

/** The environment of a person who has nothing but the programs: an empty HOME, and the registry of the rehearsal. */
export function strangersEnvironment(
  { path }: Pick<ClientRuntime, 'path'>,
  home: string,
  registry: string,
): Record<string, string> {
  const system = [folderOfProgram('npm'), '/usr/local/bin', '/usr/bin', '/bin'].filter((folder) =>
    existsSync(folder),
  )
  return {
    PATH: [...path, ...new Set(system)].join(delimiter),
    HOME: home,
    NPM_CONFIG_REGISTRY: registry,
    npm_config_registry: registry,
    BUN_CONFIG_REGISTRY: registry,
    BUN_INSTALL_CACHE_DIR: join(home, '.bun/cache'),
    DENO_DIR: join(home, '.deno'),
    NO_COLOR: '1',
  }
}
