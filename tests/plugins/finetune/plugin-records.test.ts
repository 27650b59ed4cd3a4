/**
 * What a run keeps and tells of its plugins: a notice at first, the change of one at a resume, and what an adapter needs to be loaded.
 */
import { expect, test } from 'bun:test'
import { copyFileSync, existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { TrituneError } from '../../../core/mod.ts'
import { openGenerator } from '../../../plugins/generate/mod.ts'
import { type Workspace, workspace } from './_run.ts'

const ROOT = join(import.meta.dir, '../../..')
const EACH = { save_strategy: undefined, save_steps: 2, max_steps: 4 }

/** The adapter of the page as a package in the folder of the run. */
function install(space: Workspace): { readonly module: string; readonly file: string } {
  const folder = join(space.path, 'node_modules/tritune-plugin-vector-scale')
  mkdirSync(folder, { recursive: true })
  symlinkSync(join(ROOT, 'node_modules/valibot'), join(space.path, 'node_modules/valibot'))
  symlinkSync(ROOT, join(space.path, 'node_modules/tritune'))
  const file = join(folder, 'mod.ts')
  copyFileSync(join(ROOT, 'docs/examples/vector-scale.ts'), file)
  const manifest = {
    name: 'tritune-plugin-vector-scale',
    version: '1.4.0',
    type: 'module',
    exports: './mod.ts',
  }
  writeFileSync(join(folder, 'package.json'), JSON.stringify(manifest))
  return { module: file, file }
}

test('a run tells the code that it loads, and at a resume that it changed', async () => {
  using space = workspace()
  const { module, file } = install(space)
  const asked = {
    ...EACH,
    adapter: 'vector-scale',
    plugins: [module],
    lora_r: undefined,
    lora_alpha: undefined,
    lora_dropout: undefined,
  }
  const notes: string[] = []
  const onEvent = (event: { readonly type: string; readonly text?: string }): void => {
    if (event.type === 'note' && event.text !== undefined) notes.push(event.text)
  }
  const told = (): string[] => notes.splice(0).filter((text) => text.startsWith('the plugin'))
  await space.train(asked, { onEvent })
  const [first, ...others] = told()
  expect(others).toEqual([])
  expect(first).toContain(`the plugin vector-scale 1.4.0 is code that runs in this program: ${file} (sha256-`)

  const state = JSON.parse(readFileSync(join(space.path, 'out/checkpoint-2/training_state.json'), 'utf8'))
  expect(state.plugins).toEqual([
    {
      name: 'vector-scale',
      version: '1.4.0',
      module,
      integrity: /sha256-[\da-f]{64}/.exec(first)?.[0] ?? '',
    },
  ])
  const folder = join(space.path, 'out/checkpoint-2')
  await space.train(asked, { onEvent, resume: { folder } })
  expect(told()).toEqual([])
  writeFileSync(file, `${readFileSync(file, 'utf8')}// changed\n`)
  await space.train(asked, { onEvent, resume: { folder } })
  const [changed, ...more] = told()
  expect(more).toEqual([])
  expect(changed).toMatch(
    /^the plugin vector-scale changed since the checkpoint \(still 1\.4\.0\), .*sha256-[\da-f]{64} → sha256-/,
  )
})

test('a saved adapter says what to install where its plugin is not there', async () => {
  using space = workspace()
  const { module } = install(space)
  await space.train({
    adapter: 'vector-scale',
    plugins: [module],
    lora_r: undefined,
    lora_alpha: undefined,
    lora_dropout: undefined,
    max_steps: 1,
  })
  const out = join(space.path, 'out')
  const written = readFileSync(join(out, 'tritune.json'), 'utf8')
  expect(written).not.toContain(space.path)
  const records = JSON.parse(written)
  expect(records.plugins[0]).toMatchObject({
    name: 'vector-scale',
    version: '1.4.0',
    module: './mod.ts',
    package: null,
    provides: ['adapter:vector-scale'],
  })
  const load = async (): Promise<string> => {
    try {
      using _generator = await openGenerator(join(space.path, 'model'), { adapter: out })
      return 'it was loaded'
    } catch (error) {
      if (error instanceof TrituneError) return error.message
      throw error
    }
  }
  expect(await load()).toContain(
    'it was made with the plugin vector-scale of ./mod.ts: give that file, --plugin ./mod.ts',
  )
  records.plugins[0].package = 'tritune-plugin-vector-scale'
  writeFileSync(join(out, 'tritune.json'), JSON.stringify(records))
  expect(await load()).toContain(
    'it was made with tritune-plugin-vector-scale 1.4.0: bun add tritune-plugin-vector-scale@^1.4.0, then give --plugin tritune-plugin-vector-scale',
  )
  writeFileSync(join(out, 'tritune.json'), '{ not JSON')
  expect(await load()).toContain('give the module that provides it (--plugin)')
})

test('an adapter of tritune itself has PEFT’s two files and no more', async () => {
  using space = workspace()
  await space.train({ max_steps: 1 })
  expect(existsSync(join(space.path, 'out/tritune.json'))).toBe(false)
})
