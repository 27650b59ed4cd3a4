/**
 * The server in Bun, Deno and Node: the same guard, and no client holds it up.
 */
import { afterAll, beforeAll, expect, test } from 'bun:test'
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { temporaryFolder } from '../../_golden.ts'
import { TEST_RUNTIMES } from '../../_runtimes.ts'

const CHILD = join(import.meta.dir, '_runtime-child.ts')
const folder = temporaryFolder()
const bundle = join(folder.path, 'child.mjs')

beforeAll(async () => {
  const { outputs } = await Bun.build({ entrypoints: [CHILD], target: 'node' })
  await Bun.write(bundle, outputs[0])
})
afterAll(() => folder[Symbol.dispose]())

test.each(TEST_RUNTIMES.map((one) => [one.name, one] as const))(
  '%s',
  (_, { command: [program, ...before], needsBundle }) => {
    const { stdout, stderr } = spawnSync(program, [...before, needsBundle ? bundle : CHILD], {
      encoding: 'utf8',
      timeout: 30_000,
    })
    const said = stdout.trim() === '' ? stderr : JSON.parse(stdout)
    expect({ ...said, ended: said.ended?.toSorted() }).toEqual({
      statuses: [200, 401, 403, 421],
      taken: 'TrituneError: N.N.N.N:N: port N is taken',
      ended: ['closed', 'cut', 'silent'],
      bugs: [],
    })
  },
  60_000,
)
