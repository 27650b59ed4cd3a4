/**
 * Programs for tests that need more than Bun and Deno: kept from an earlier run, or installed from the npm registry that is configured. Where
 * that does not answer, the tests are left out, and their names say why.
 */
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { installTools, isToolInstalled, nodeFolder, type ToolName } from '../scripts/rehearse/tools.ts'

/** The oldest that tritune runs on. */
const OLDEST_NODE = 22

/** Null when all of them can be used; else why not. What the registry has and does not install is an error. */
export async function missingTools(...names: readonly ToolName[]): Promise<string | null> {
  if (!names.every(isToolInstalled) && !registryAnswers()) return 'the npm registry does not answer'
  await installTools(names)
  return null
}

/** Asked by npm itself, since tests use no network and this is about installing. */
export function registryAnswers(): boolean {
  const quickly = ['--fetch-retries=0', '--fetch-timeout=5000', '--prefer-online']
  const asked = spawnSync('npm', ['view', 'semver@7.8.6', 'version', ...quickly], {
    encoding: 'utf8',
    timeout: 15_000,
  })
  return asked.stdout?.trim() === '7.8.6'
}

export interface NodesForTests {
  /** Paths of programs, of Node 22 and newer. */
  readonly nodes: readonly string[]
  /** Why there is none. */
  readonly missing: string | null
}

/** Those in TRITUNE_NODE (with `:` between them), else the one on the PATH if it is new enough, else the oldest that will do, installed. */
export async function nodesForTests(): Promise<NodesForTests> {
  const given = (process.env['TRITUNE_NODE'] ?? '').split(':').filter((path) => path !== '')
  if (given.length > 0) return { nodes: given, missing: null }
  if (Number.parseInt(nodeVersion('node')) >= OLDEST_NODE) return { nodes: ['node'], missing: null }
  const missing = await missingTools('node22')
  return { nodes: missing === null ? [join(nodeFolder('node22'), 'node')] : [], missing }
}

/** `22.23.5`; empty: there is no such program. */
export function nodeVersion(node: string): string {
  return (spawnSync(node, ['--version'], { encoding: 'utf8' }).stdout ?? '').trim().slice(1)
}

/** The name of a test, and why it is left out where it is. */
export function leftOut(name: string, reason: string | null): string {
  return reason === null ? name : `${name} (left out: ${reason})`
}
