/** What "try it" has to load: the modules of the adapter and of the model, and what they require. */
import { expect, test } from 'bun:test'
import type { Plugin } from '../../../core/mod.ts'
import { loadPlugins, modulesToLoad } from '../../../plugins/finetune/mod.ts'
import { join } from 'node:path'
import { writeFileSync } from 'node:fs'
import { temporaryFolder } from '../../_golden.ts'

const { plugins, made } = {
  made: { adapter: 'mine', modelType: 'own' },
  plugins: [
    { name: 'a', provides: { optimizer: { sgd: {} } } },
    { name: 'b', provides: { adapter: { mine: {} } }, requires: ['objective:x'] },
    { name: 'c', provides: { model: { own: {} }, monitor: {} } },
    { name: 'd', provides: { objective: { x: {} } }, requires: ['adapter:mine'] },
    { name: 'e', provides: { adapter: { other: {} } } },
  ],
}

test('are the modules of the adapter and the model, and those that they require', async () => {
  using folder = temporaryFolder()
  const modules = plugins.map((plugin) => {
    const file = `./${plugin.name}.ts`
    writeFileSync(join(folder.path, file), `export const it = ${JSON.stringify(plugin)}\n`)
    return file
  })
  const loaded = await loadPlugins(modules, { cwd: folder.path })
  expect(loaded.map(({ plugin }: { plugin: Plugin }) => plugin.name)).toEqual(['a', 'b', 'c', 'd', 'e'])
  expect(modulesToLoad(loaded, made)).toEqual(['./b.ts', './c.ts', './d.ts'])
  expect(modulesToLoad(loaded, { ...made, adapter: null })).toEqual(['./c.ts'])
  expect(modulesToLoad(loaded, { adapter: 'lora', modelType: 'llama' })).toEqual([])
})
