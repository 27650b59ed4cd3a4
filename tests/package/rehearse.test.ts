/**
 * The rehearsal of a release with Bun, Deno and Node. It needs the npm registry that is configured; where that does not answer it is
 * left out, and the report of the tests says so.
 */
import { expect, test } from 'bun:test'
import { spawnSync } from 'node:child_process'
import { ROOT } from '../../scripts/_setup.ts'

const registry = spawnSync('npm', ['config', 'get', 'registry'], { encoding: 'utf8' }).stdout?.trim() ?? ''
const answers = await fetch(`${registry.replace(/\/$/, '')}/verdaccio`, {
  headers: { accept: 'application/vnd.npm.install-v1+json' },
  signal: AbortSignal.timeout(5000),
}).then(
  ({ ok }) => ok,
  () => false,
)

test.skipIf(!answers)(
  'a release is built, published, installed and used: the same digits in Bun, Deno and Node',
  () => {
    const only = ['bun', 'deno', 'node24'].flatMap((name) => ['--only', name])
    const { status, stdout, stderr } = spawnSync(process.execPath, ['scripts/rehearse.ts', ...only], {
      cwd: ROOT,
      encoding: 'utf8',
    })
    expect([status, stderr]).toEqual([0, ''])
    expect(stdout).toMatch(/^same +loss [\d.]+ after 10 steps/m)
    console.log(stdout)
  },
  300_000,
)
