/**
 * The rehearsal of a release with Bun, Deno and Node: the one test that needs the npm registry that is configured. Where that does not answer
 * it is left out, and the report of the tests says so.
 */
import { expect, test } from 'bun:test'
import { spawnSync } from 'node:child_process'
import { ROOT } from '../../scripts/_setup.ts'

/** Asked by npm itself, since tests use no network and the rehearsal is about installing. */
const asked = [
  'view',
  'verdaccio@6.10.4',
  'version',
  '--fetch-retries=0',
  '--fetch-timeout=5000',
  '--prefer-online',
]
const answers = spawnSync('npm', asked, { encoding: 'utf8', timeout: 15_000 }).stdout?.trim() === '6.10.4'

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
  600_000,
)
