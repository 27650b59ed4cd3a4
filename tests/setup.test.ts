/**
 * What the preload of the tests promises: the caches of who tests stay as they are.
 */
import { expect, test } from 'bun:test'
import { tmpdir } from 'node:os'
import { dirname } from 'node:path'
import { cacheFolder } from '../core/files/cache-folder.ts'
import { runIndexPath } from '../plugins/runs/mod.ts'

test('tests and the processes that they start have an index of runs of their own', () => {
  expect(dirname(cacheFolder())).toBe(tmpdir())
  expect(runIndexPath().startsWith(tmpdir())).toBe(true)
  const { stdout } = Bun.spawnSync([process.execPath, '-e', 'console.log(process.env.TRITUNE_CACHE)'])
  expect(stdout.toString().trim()).toBe(cacheFolder())
})
