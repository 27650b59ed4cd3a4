/**
 * The face of the package: everything that core and the built-in plugins have.
 */
import { expect, test } from 'bun:test'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import * as all from '../mod.ts'

const PLUGINS = join(import.meta.dir, '../plugins')

test.each(['core', ...readdirSync(PLUGINS).map((name) => `plugins/${name}`)])(
  'mod.ts has everything that %s has',
  async (name) => {
    const part: object = await import(join(import.meta.dir, '..', name, 'mod.ts'))
    for (const exported of Object.keys(part)) expect(Object.keys(all)).toContain(exported)
  },
)

test('openDevice() of the package opens the CPU', () => {
  expect(all.openDevice('cpu').device.kind).toBe('cpu')
})
