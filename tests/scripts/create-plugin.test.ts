/**
 * `tritune create-plugin`: names, what it refuses, and that each kind of plugin works as it is made, against this checkout. That it is built,
 * published and used from a registry is rehearsed by `bun run rehearse:plugins`.
 */
import { describe, expect, test } from 'bun:test'
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { createPlugin } from '../../scripts/create-plugin/create-plugin.ts'
import { nextSteps } from '../../scripts/commands/create-plugin.ts'
import { PLATFORM_PACKAGES } from '../../scripts/build/platform-packages.ts'
import { platformPackageJson, rootManifest } from '../../scripts/build/manifests.ts'
import { packageJson } from '../../scripts/create-plugin/package-json.ts'
import { KIND_NAMES } from '../../scripts/create-plugin/kinds.ts'
import { pluginNames } from '../../scripts/create-plugin/names.ts'
import { temporaryFolder } from '../_golden.ts'

const ROOT = join(import.meta.dir, '../..')

test('what is said to do next needs no other runtime than the one that is there', () => {
  expect(nextSteps({ node: '24', bun: '1.4' }).join()).not.toMatch(/npm|deno/)
  expect(nextSteps({ node: '24', deno: '2.9' }).join()).not.toMatch(/\bbun/)
  expect(nextSteps({ node: '24' }).join()).not.toMatch(/\bbun|deno/)
  const scripts = Object.keys(manifestOf('mine').scripts)
  for (const step of [...nextSteps({}), ...nextSteps({ deno: '2.9' }), ...nextSteps({ bun: '1.4' })])
    for (const [, name] of step.matchAll(/(?:run|task) (\S+)/g)) expect(scripts).toContain(name)
})

test('packages of a scope are published for all', () => {
  for (const one of PLATFORM_PACKAGES)
    expect(platformPackageJson(rootManifest(), one)).toMatchObject({ publishConfig: { access: 'public' } })
  expect(manifestOf('@me/mine')).toMatchObject({ publishConfig: { access: 'public' } })
  expect(manifestOf('mine')).not.toHaveProperty('publishConfig')
})

function manifestOf(name: string): { readonly scripts: object } {
  const made = packageJson({ names: pluginNames(name), kind: 'adapter', version: '1.2.3', author: null })
  return JSON.parse(JSON.stringify(made))
}

describe('the name of a new plugin', () => {
  test.each([
    [
      'tritune-plugin-gentle-scale',
      'tritune-plugin-gentle-scale',
      'gentle-scale',
      'gentleScale',
      'GentleScale',
    ],
    ['@me/tritune-lion', 'tritune-lion', 'lion', 'lion', 'Lion'],
    ['csv.log_2', 'csv.log_2', 'csv-log-2', 'csvLog2', 'CsvLog2'],
  ])('%s', (name, folder, own, camel, pascal) => {
    expect(pluginNames(name)).toEqual({ package: name, folder, name: own, camel, pascal })
  })

  test.each([
    ['Mine', 'it has capital letters'],
    ['.mine', 'begins with a dot'],
    ['_mine', 'begins with a dot, a dash or an underscore'],
    ['my plugin', 'only a to z'],
    ['../mine', 'is not of the form name or @scope/name'.slice(3)],
    ['@/mine', 'not of the form'],
    ['a/b/c', 'not of the form'],
    ['', 'not of the form'],
    ['node_modules', 'the name is taken'],
    ['fs', 'the name is taken'],
    ['tritune', 'the name is taken'],
    ['tritune-plugin-', 'gives no name'],
    ['tritune-plugin-3d', 'gives no name'],
    ['x'.repeat(215), 'longer than 214'],
  ])('"%s" is refused', (name, message) => {
    expect(() => pluginNames(name)).toThrow(message)
  })
})

test('a folder that is there is refused and left as it is', () => {
  using temporary = temporaryFolder()
  const folder = join(temporary.path, 'mine')
  mkdirSync(folder)
  expect(() => createPlugin({ kind: 'adapter', name: 'mine', folder })).toThrow('the folder is there already')
  expect(readdirSync(temporary.path)).toEqual(['mine'])
  expect(readdirSync(folder)).toEqual([])
})

describe.each([...KIND_NAMES])('a new %s', (kind) => {
  test('has no name of the templates left, and passes its own tests', async () => {
    using temporary = temporaryFolder()
    const name = `@me/tritune-plugin-first-${kind}`
    const folder = join(temporary.path, 'made')
    const { files } = createPlugin({ kind, name, folder })
    for (const file of files) {
      const text = readFileSync(join(folder, file), 'utf8')
      expect(text, file).not.toMatch(
        /my-?(adapter|quantizer|optimizer|objective|monitor|dataset|strategy|model|device)\b/i,
      )
      expect(text, file).not.toMatch(/\{\{\w+\}\}|\.\.\/common|\.\.\/adapter/)
    }
    const manifest = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
    expect(Object.keys(manifest.exports['.'])).toEqual(['types', 'default'])
    expect(manifest.peerDependencies.tritune).toMatch(/^\^\d/)
    expect(manifest.dependencies).toBeUndefined()
    for (const wanted of [
      '.gitignore',
      '.github/workflows/ci.yml',
      'README.md',
      'LICENSE',
      'bench/mod.ts',
      'example/finetune.yaml',
    ])
      expect(files).toContain(wanted)
    expect(readdirSync(temporary.path)).toEqual(['made'])

    mkdirSync(join(folder, 'node_modules'))
    symlinkSync(ROOT, join(folder, 'node_modules/tritune'))
    const child = Bun.spawnSync([process.execPath, 'test', '--timeout', '60000'], {
      cwd: folder,
      stdout: 'pipe',
      stderr: 'pipe',
    })
    const said = child.stdout.toString() + child.stderr.toString()
    expect(child.exitCode, said).toBe(0)
    expect(said).toMatch(/^ *[1-9]\d* pass$/m)
    expect(existsSync(join(folder, 'outputs'))).toBe(false)
  }, 120_000)
})
