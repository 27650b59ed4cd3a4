/**
 * Programs that a rehearsal needs and tritune does not: installed into a folder of their own, from the npm registry that is
 * configured, in these versions.
 */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { run } from './run.ts'
import type { RuntimeName } from './runtimes.ts'

const VERDACCIO = { verdaccio: '6.10.4' }
const LINTERS = { publint: '0.3.25', '@arethetypeswrong/cli': '0.18.5' }
const NODES: Readonly<Record<string, string>> = { node22: '22.23.5', node24: '24.22.3' }

/** Returns the folder, with one folder for each tool. */
export async function installTools(folder: string, runtimes: readonly RuntimeName[]): Promise<string> {
  await installInto(join(folder, 'registry'), VERDACCIO, { 'node-fetch': '2.7.0' })
  await installInto(join(folder, 'linters'), LINTERS)
  for (const name of runtimes)
    if (Object.hasOwn(NODES, name))
      await installInto(join(folder, name), { [`node-${process.platform}-${process.arch}`]: NODES[name] })
  return folder
}

async function installInto(
  folder: string,
  dependencies: Readonly<Record<string, string>>,
  overrides: Readonly<Record<string, string>> = {},
): Promise<void> {
  if (existsSync(join(folder, 'node_modules'))) return
  mkdirSync(folder, { recursive: true })
  writeFileSync(
    join(folder, 'package.json'),
    JSON.stringify({ name: 'tools', private: true, dependencies, overrides }),
  )
  await run([process.execPath, 'install', '--ignore-scripts'], { cwd: folder })
}
