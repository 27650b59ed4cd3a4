/**
 * A plugin that brings a copy of tritune of its own, as one does that is loaded from its own repository.
 */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { cpSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createHost, tensor, tensorScope } from '../../core/mod.ts'
import { loadPlugins } from '../../plugins/finetune/mod.ts'
import { mul } from '../../core/ops/binary.ts'
import { temporaryFolder } from '../_golden.ts'

const ROOT = join(import.meta.dir, '../..')
const temporary = temporaryFolder()
const copy = join(temporary.path, 'node_modules/tritune')

beforeAll(() => {
  mkdirSync(copy, { recursive: true })
  cpSync(join(ROOT, 'core'), join(copy, 'core'), { recursive: true })
  cpSync(join(ROOT, 'package.json'), join(copy, 'package.json'))
  symlinkSync(join(ROOT, 'node_modules/valibot'), join(temporary.path, 'node_modules/valibot'))
  symlinkSync(join(ROOT, 'node_modules/yaml'), join(temporary.path, 'node_modules/yaml'))
  writeFileSync(
    join(temporary.path, 'mine.ts'),
    `import { definePlugin, tensor } from 'tritune/core'
export const mine = definePlugin({ name: 'mine', provides: {} })
export const plain = { name: 'plain', provides: {} }
export const make = () => tensor([1, 2])
`,
  )
})
afterAll(() => temporary[Symbol.dispose]())

describe('a second copy of tritune', () => {
  test('is told from its plugin, with both places', async () => {
    const told = `second copy of tritune: ${copy}/, and this is ${ROOT}/`
    const loading = loadPlugins(['./mine.ts'], { cwd: temporary.path })
    await expect(loading).rejects.toThrow(`./mine.ts: the plugin mine comes from a ${told}`)
    await expect(loading).rejects.toThrow('tritune belongs under peerDependencies')
    const { mine } = await import(join(temporary.path, 'mine.ts'))
    expect(() => createHost({ plugins: [mine] })).toThrow(told)
  })

  test('is told from its tensors, where a plugin is a plain object', async () => {
    const { make } = await import(join(temporary.path, 'mine.ts'))
    using _scope = tensorScope()
    const foreign = make()
    expect(() => mul(tensor([1, 2]), foreign)).toThrow(
      `mul: input b comes from a second copy of tritune: ${copy}/`,
    )
    foreign.dispose()
  })
})
