/**
 * The rehearsal of a release with Bun, Deno and Node: the one test that needs the npm registry that is configured. Where that does not answer
 * it is left out, and its name says so.
 */
import { expect, test } from 'bun:test'
import { spawnSync } from 'node:child_process'
import { ROOT } from '../../scripts/_setup.ts'
import { leftOut, registryAnswers } from '../_tools.ts'

const missing = registryAnswers() ? null : 'the npm registry does not answer'

test.skipIf(missing !== null)(
  leftOut(
    'a release and two plugins are built, published, installed and used: the same digits in Bun, Deno and Node',
    missing,
  ),
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
