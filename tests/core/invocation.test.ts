/**
 * Commands in hints are written as the person at the terminal calls them.
 */
import { expect, test } from 'bun:test'
import { invocation, type InvocationFacts } from '../../core/invocation.ts'

const facts = (more: Partial<InvocationFacts>): InvocationFacts => ({
  runtime: 'bun',
  root: '/srv/me/tritune',
  isCheckout: true,
  cwd: '/srv/me/tritune',
  env: { PATH: '/usr/bin' },
  execPath: '/usr/bin/bun',
  exists: () => false,
  ...more,
})

const NPX = '/srv/me/.npm/_npx/1a2b/node_modules/bun/bin/bun.exe'

test.each([
  [{}, 'bun run generate'],
  [{ cwd: '/srv/me/tritune/docs/examples' }, 'bun run generate'],
  [{ execPath: NPX }, 'npx --yes --allow-scripts=bun bun run generate'],
  [{ cwd: '/srv/me/texts' }, 'bun ../tritune/scripts/tritune.ts generate'],
  [{ cwd: '/srv/me/tritune-runs' }, 'bun ../tritune/scripts/tritune.ts generate'],
  [{ cwd: '/opt/a/b/c/d' }, 'bun /srv/me/tritune/scripts/tritune.ts generate'],
  [{ runtime: 'deno' }, 'deno run -A scripts/tritune.ts generate'],
  [{ runtime: 'node' }, 'node scripts/tritune.ts generate'],
] as const)('in a checkout: %o', (more, expected) => {
  expect(invocation('generate', facts(more))).toBe(expected)
})

const agent = (name: string): InvocationFacts['env'] => ({
  PATH: '/srv/me/app/node_modules/.bin:/usr/bin',
  npm_config_user_agent: `${name}/1.2.3 node/v24.0.0 linux x64`,
})
const onPath = (path: string): boolean => path === '/usr/bin/tritune'
const inShims = (path: string): boolean => path === '/srv/me/app/node_modules/.bin/tritune'

test.each([
  ['bun', { env: agent('bun') }, 'bunx tritune generate'],
  ['npm', { env: agent('npm'), runtime: 'node' }, 'npx tritune generate'],
  ['pnpm', { env: agent('pnpm'), runtime: 'node' }, 'pnpm exec tritune generate'],
  ['yarn', { env: agent('yarn'), runtime: 'node' }, 'yarn tritune generate'],
  ['Deno', { runtime: 'deno' }, 'deno run -A npm:tritune generate'],
  ['the PATH', { runtime: 'node', exists: onPath }, 'tritune generate'],
  ['shims of a project', { env: { PATH: agent('x').PATH }, exists: inShims }, 'bunx tritune generate'],
  ['nothing, in Bun', {}, 'bunx tritune generate'],
  ['nothing, in Node', { runtime: 'node' }, 'npx tritune generate'],
] as const)('installed, by %s', (_, more, expected) => {
  expect(invocation('generate', facts({ isCheckout: false, ...more }))).toBe(expected)
})

test.each(['tritune.cmd', 'tritune.exe'])('installed on Windows the command is %s', (name) => {
  const exists = (path: string): boolean => path === `/bin-of/npm/${name}`
  const installed = facts({ isCheckout: false, env: { Path: '/usr/bin:/bin-of/npm' }, exists })
  expect(invocation('generate', installed)).toBe('tritune generate')
})

test.each([
  [{ cwd: '/srv/me/app' }, '/opt/tritune-linux-x64', '/opt/tritune-linux-x64 generate'],
  [{ cwd: '/opt' }, '/opt/tritune-linux-x64', './tritune-linux-x64 generate'],
  [{ cwd: '/opt/bin' }, '/opt/tritune', '../tritune generate'],
  [{ cwd: '/opt' }, '/usr/bin/tritune', 'tritune generate'],
] as const)('of the one file: %o', (more, file, expected) => {
  const env = { PATH: '/usr/bin', TRITUNE_BINARY: file }
  expect(invocation('generate', facts({ ...more, isCheckout: false, env }))).toBe(expected)
})
