/**
 * Whether this runtime can run tritune. Imports nothing: it also runs where nothing else would.
 *
 * The command of a package starts with Node wherever there is one, also by `bunx tritune`: who came with Bun gets Bun.
 */

/** The oldest Node that runs the package. */
const NODE = 22

export interface ProcessFacts {
  readonly versions: { readonly node: string; readonly bun?: string; readonly deno?: string }
  readonly env: Readonly<Record<string, string | undefined>>
}

export type Advice =
  | { readonly kind: 'go' }
  | { readonly kind: 'start-bun'; readonly executable: string }
  | { readonly kind: 'refuse'; readonly message: string }

export function adviseRuntime({ versions, env }: ProcessFacts): Advice {
  if (versions.bun !== undefined || versions.deno !== undefined) return { kind: 'go' }
  const executable = bunOf(env)
  if (executable !== null) return { kind: 'start-bun', executable }
  if (Number(versions.node.split('.')[0]) >= NODE) return { kind: 'go' }
  return {
    kind: 'refuse',
    message: `tritune needs Node ${NODE} or newer, and this is ${versions.node}\n  → update Node, or use Bun: bunx tritune`,
  }
}

/** The Bun that started this: `bunx` is a name of the same program, in the same folder. */
function bunOf(env: ProcessFacts['env']): string | null {
  if (!(env['npm_config_user_agent'] ?? '').startsWith('bun/')) return null
  const path = /^(.*[\\/])?bunx?(\.exe)?$/.exec(env['npm_execpath'] ?? '')
  return path === null ? null : `${path[1] ?? ''}bun${path[2] ?? ''}`
}
