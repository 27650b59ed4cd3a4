/**
 * The command that adds a package to the project of the person, for remedies.
 */
import { type Runtime, runtimeOf } from './runtime.ts'

/** `bun add @tritune/linux-x64-cuda`, or what it is in the package manager that is used. */
export function installCommand(
  name: string,
  runtime: Runtime = runtimeOf(process.versions),
  agent: string = process.env['npm_config_user_agent'] ?? '',
): string {
  if (runtime === 'deno') return `deno add npm:${name}`
  if (runtime === 'bun') return `bun add ${name}`
  const [manager] = agent.split('/')
  return manager === 'pnpm' || manager === 'yarn' ? `${manager} add ${name}` : `npm install ${name}`
}
