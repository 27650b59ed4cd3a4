/**
 * The author of a plugin: has tritune from the registry, makes a plugin with the published command, and publishes it. Not a line is edited.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { platformPackage } from '../../core/native/platform-packages.ts'
import type { PluginKindName } from '../create-plugin/kinds.ts'
import type { Registry } from './registry.ts'
import { denoCommand } from '../_deno.ts'
import { run } from './run.ts'
import { clientRuntime, strangersEnvironment } from './runtimes.ts'
import { nodeFolder } from './tools.ts'

export interface Author {
  /** For programs that he starts: Bun, Deno and a new Node are on the PATH, HOME was empty. */
  readonly env: Readonly<Record<string, string>>
  /** Makes a plugin, and gives its folder. */
  generate(kind: PluginKindName): Promise<string>
  install(folder: string): Promise<void>
  /** Builds and publishes. */
  publish(folder: string): Promise<void>
}

/** Names of all plugins that are made. */
export const PLUGIN_NAMES = 'tritune-plugin-first-*'

export function pluginName(kind: PluginKindName): string {
  return `tritune-plugin-first-${kind}`
}

/** tritune is published there already. */
export async function startAuthor(folder: string, registry: Registry): Promise<Author> {
  const runtime = clientRuntime('bun')
  const home = join(folder, 'home')
  mkdirSync(home, { recursive: true })
  for (const [name, text] of Object.entries(runtime.files)) writeFileSync(join(folder, name), text)
  const path = [...runtime.path, dirname(denoCommand()[0]), nodeFolder('node24')]
  const env = strangersEnvironment({ path }, home, registry.url)
  await run(runtime.install(['tritune']), { cwd: folder, env })
  return {
    env,
    async generate(kind) {
      const name = pluginName(kind)
      await run(runtime.tritune(['create-plugin', kind, name]), { cwd: folder, env })
      return join(folder, name)
    },
    async install(cwd) {
      await run(['bun', 'install'], { cwd, env })
      // As its CI does.
      await run(['bun', 'add', '--no-save', platformPackage('cuda-emulated')], { cwd, env })
    },
    async publish(cwd) {
      await run(['bun', 'run', 'build'], { cwd, env })
      await registry.publish(cwd)
    },
  }
}
