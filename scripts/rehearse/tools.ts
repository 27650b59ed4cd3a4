/**
 * Programs that rehearsals and tests need and tritune does not: installed from the npm registry that is configured, in these versions, into a
 * folder that is kept. Each has a folder of its own and is there whole or not at all.
 */
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { TrituneError } from '../../core/errors.ts'
import { ROOT } from '../_setup.ts'
import { run } from './run.ts'

interface Tool {
  readonly dependencies: Readonly<Record<string, string>>
  readonly overrides?: Readonly<Record<string, string>>
}

const NODE = `node-${process.platform}-${process.arch}`

export const VITEST = '5.1.2'

export type ToolName = 'registry' | 'linters' | 'node22' | 'node24' | 'vitest'

const TOOLS: Readonly<Record<ToolName, Tool>> = {
  registry: { dependencies: { verdaccio: '6.10.4' }, overrides: { 'node-fetch': '2.7.0' } },
  linters: { dependencies: { publint: '0.3.25', '@arethetypeswrong/cli': '0.18.5' } },
  node22: { dependencies: { [NODE]: '22.23.5' } },
  node24: { dependencies: { [NODE]: '24.22.3' } },
  vitest: { dependencies: { vitest: VITEST } },
}

/** Where a tool is once it is installed. */
export function toolModules(name: ToolName): string {
  return join(KEPT, name, 'node_modules')
}

/** The folder of `node` of that version. */
export function nodeFolder(name: 'node22' | 'node24'): string {
  return join(toolModules(name), NODE, 'bin')
}

/** Whether it is there in the version that is wanted: then no registry is asked. */
export function isToolInstalled(name: ToolName): boolean {
  const file = join(KEPT, name, 'package.json')
  return existsSync(file) && readFileSync(file, 'utf8') === manifestOf(name)
}

/** Those that are not there yet. Throws E_HUB with what the installer says. */
export async function installTools(names: readonly ToolName[]): Promise<void> {
  for (const name of new Set(names)) {
    if (isToolInstalled(name)) continue
    const folder = join(KEPT, name)
    const made = `${folder}.${process.pid}`
    mkdirSync(made, { recursive: true })
    try {
      writeFileSync(join(made, 'package.json'), manifestOf(name))
      await install(made, name)
      rmSync(folder, { recursive: true, force: true })
      renameSync(made, folder)
    } finally {
      rmSync(made, { recursive: true, force: true })
    }
  }
}

// ---- helpers ----

const KEPT = `${ROOT}node_modules/.cache/tools`

async function install(folder: string, name: ToolName): Promise<void> {
  try {
    await run([process.execPath, 'install', '--ignore-scripts'], { cwd: folder })
  } catch (cause) {
    const said = cause instanceof Error ? cause.message.split('\n').slice(1).join('; ') : String(cause)
    throw new TrituneError(
      'E_HUB',
      `${Object.keys(TOOLS[name].dependencies).join(', ')} cannot be installed: ${said}`,
      {
        remedy: 'the npm registry that is configured has to answer the first time',
        cause,
      },
    )
  }
}

function manifestOf(name: ToolName): string {
  return JSON.stringify({ name: 'tools', private: true, ...TOOLS[name] })
}
