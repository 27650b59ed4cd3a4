/**
 * What a run's file can name under `plugins:`, and one clear error for each way in which it can be wrong.
 */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { mkdirSync, realpathSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { createHost, TrituneError } from '../../../core/mod.ts'
import { installCommand } from '../../../core/install-command.ts'
import { loadPlugins, originsOf } from '../../../plugins/finetune/mod.ts'
import { parsePluginSpecifier } from '../../../plugins/finetune/plugins/plugin-specifier.ts'
import { moduleIntegrity, packageIntegrity } from '../../../plugins/finetune/plugins/plugin-integrity.ts'
import { temporaryFolder } from '../../_golden.ts'

const temporary = temporaryFolder()
const root = realpathSync(temporary.path)
const runs = join(root, 'runs')

function put(path: string, content: string | object): void {
  const file = join(root, path)
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, typeof content === 'string' ? content : JSON.stringify(content))
}

function pluginSource(name: string): string {
  return `export const plugin = { name: '${name}', provides: { monitor: { '${name}': { name: '${name}', create: () => ({}) } } } }\n`
}

function putPackage(name: string, manifest: object = {}, source: string = pluginSource(name)): void {
  put(`node_modules/${name}/package.json`, {
    name,
    version: '1.2.3',
    type: 'module',
    exports: './mod.js',
    ...manifest,
  })
  put(`node_modules/${name}/mod.js`, source)
}

async function refusal(...specifiers: string[]): Promise<TrituneError> {
  try {
    await loadPlugins(specifiers, { from: runs, cwd: root })
  } catch (error) {
    if (error instanceof TrituneError) return error
    throw error
  }
  throw new Error('they were loaded')
}

beforeAll(() => {
  putPackage('one')
  putPackage('@me/scoped', {
    exports: { '.': { types: './mod.d.ts', import: './mod.js' }, './part': './part.js' },
  })
  put('node_modules/@me/scoped/part.js', pluginSource('part'))
  putPackage('old-style', { exports: undefined, main: 'mod.js' })
  put('runs/mine.js', pluginSource('mine'))
  put('elsewhere.js', pluginSource('elsewhere'))
})
afterAll(() => temporary[Symbol.dispose]())

describe('plugins: names', () => {
  test.each([
    ['one', 'one', 'one'],
    ['npm:one', 'one', 'one'],
    ['npm:one@^1.2', 'one', 'one'],
    ['one@1.x', 'one', 'one'],
    ['@me/scoped@>=1', '@me/scoped', '@me/scoped'],
    ['@me/scoped/part', 'part', '@me/scoped'],
    ['npm:@me/scoped@1/part', 'part', '@me/scoped'],
    ['old-style', 'old-style', 'old-style'],
  ])('the package %s', async (specifier, name, package_) => {
    const [loaded] = await loadPlugins([specifier], { from: runs, cwd: '/' })
    expect(loaded).toMatchObject({ module: specifier, version: '1.2.3', package: package_ })
    expect(loaded.plugin.name).toBe(name)
    expect(loaded.place.startsWith(join(root, 'node_modules', package_))).toBe(true)
  })

  test('a path to a folder is refused with the file to name', async () => {
    put('folder/x.txt', '')
    const bare = await refusal('../folder')
    expect(bare.code).toBe('E_PLUGIN')
    expect(bare.what).toBe(`${join(root, 'folder')} is a folder, and a path names a file`)
    expect(bare.remedy).toBe('name the file in it that exports the plugin')
    const file = join(root, 'node_modules/one/mod.js')
    const package_ = await refusal('../node_modules/one')
    expect(package_.remedy).toBe(`name its file ${file}, or install it and name the package one`)
    expect(await loadPlugins([file], { from: runs, cwd: root })).toHaveLength(1)
    putPackage('unbuilt', { exports: './dist/mod.js' })
    const unbuilt = await refusal('../node_modules/unbuilt')
    expect(unbuilt.message).toContain('dist/mod.js\n  → build the package (its script "build")')
  })

  test('paths from the folder of the file, then from the working folder', async () => {
    const loaded = await loadPlugins(['./mine.js', './elsewhere.js'], { from: runs, cwd: root })
    expect(loaded.map(({ place }) => place)).toEqual([join(runs, 'mine.js'), join(root, 'elsewhere.js')])
    expect(loaded.every((one) => one.package === null)).toBe(true)
  })

  test('a package by its own name, from inside of it', async () => {
    put('own/package.json', { name: 'own-name', version: '0.3.0', type: 'module', exports: './mod.js' })
    put('own/mod.js', pluginSource('own'))
    const [own] = await loadPlugins(['own-name'], { from: join(root, 'own/example'), cwd: join(root, 'own') })
    expect(own).toMatchObject({ version: '0.3.0', package: 'own-name', place: join(root, 'own/mod.js') })
  })

  test.each([
    ['https://example.org/x.js', 'plugins are not loaded by https:'],
    ['jsr:@me/x', 'plugins are not loaded by jsr:'],
    ['one@latest and more', 'is not a range of versions'],
    ['not a name', 'neither a path nor the name of a package'],
    ['', 'neither a path nor the name of a package'],
  ])('"%s" is none', (specifier, message) => {
    expect(() => parsePluginSpecifier(specifier)).toThrow(message)
  })
})

describe('plugins: one error for', () => {
  test('a package that is not installed, with the command for this runtime', async () => {
    const { code, message } = await refusal('npm:@me/nobody@^2')
    expect(code).toBe('E_PLUGIN')
    expect(message).toBe(
      `npm:@me/nobody@^2: the package @me/nobody is not installed\n  → bun add @me/nobody@^2  (in ${runs})`,
    )
    const deno = { versions: { deno: '2.9.6' }, env: {} }
    expect(installCommand('foo@^1', deno)).toBe('deno add npm:foo@^1')
    expect(installCommand('foo@>=1 <3', { versions: {}, env: {} })).toBe("npm install 'foo@>=1 <3'")
    expect(installCommand('foo', { versions: {}, env: { npm_config_user_agent: 'pnpm/10.1' } })).toBe(
      'pnpm add foo',
    )
  })

  test('a version that is not in the range of the file', async () => {
    expect((await refusal('npm:one@^2.1')).message).toBe(
      'npm:one@^2.1: one 1.2.3 is installed, and the file asks for ^2.1\n  → bun add one@^2.1, or change the range',
    )
  })

  test('a package that is made for another tritune, before it runs', async () => {
    putPackage('future', { peerDependencies: { tritune: '^7.0.0' } }, 'throw new Error("it ran")')
    expect((await refusal('future')).message).toContain(
      'future 1.2.3 is made for tritune ^7.0.0, and this is ',
    )
    putPackage('linked', { peerDependencies: { tritune: 'workspace:*' } })
    expect(await loadPlugins(['linked'], { from: root })).toHaveLength(1)
  })

  test('a package without what it exports', async () => {
    putPackage('unbuilt', { exports: './dist/mod.js' })
    expect((await refusal('unbuilt')).message).toContain('points to a file that is not there')
    expect((await refusal('@me/scoped/other')).message).toContain(
      '@me/scoped/other is not among the "exports"',
    )
    put('node_modules/broken/package.json', '{ "name": ')
    expect((await refusal('broken')).message).toContain('this package.json cannot be read')
  })

  test('two plugins of one name, with both places', async () => {
    put('runs/again.js', pluginSource('mine'))
    const { message } = await refusal('./mine.js', './again.js')
    expect(message).toContain(
      `two plugins are called "mine": ${join(runs, 'mine.js')} and ${join(runs, 'again.js')}`,
    )
    const [mine] = await loadPlugins(['./mine.js'], { from: runs })
    expect(() => createHost({ plugins: [mine.plugin, { ...mine.plugin }] })).toThrow(
      'two plugins are called "mine"',
    )
    using host = createHost({ plugins: [mine.plugin, mine.plugin] })
    expect(host.plugins).toHaveLength(1)
  })

  test('a syntax error, with its line', async () => {
    put('runs/wrong.js', 'export const plugin = {\n  name: \n}\n')
    const { code, message } = await refusal('./wrong.js')
    expect(code).toBe('E_PLUGIN')
    expect(message).toMatch(/the module cannot be imported: .*wrong\.js:[23]/)
  })

  test('a package that the plugin itself needs', async () => {
    put('runs/needs.js', `import 'of-nobody'\n${pluginSource('needs')}`)
    expect((await refusal('./needs.js')).message).toContain(
      'it needs a package that is not installed: bun add of-nobody',
    )
    put('runs/far.js', `import 'tritune/core'\n${pluginSource('far')}`)
    expect((await refusal('./far.js')).message).toContain('then `bun link tritune` beside the plugin')
  })
})

describe('the hash of a plugin', () => {
  test('covers the modules that a file imports, and every file of code of a package', () => {
    put('hash/mod.ts', `import { a } from './a.ts'\nexport const x = a\n`)
    put('hash/a.ts', 'export const a = 1\n')
    const before = moduleIntegrity(join(root, 'hash/mod.ts'))
    expect(before).toMatch(/^sha256-[\da-f]{64}$/)
    put('hash/a.ts', 'export const a = 2\n')
    expect(moduleIntegrity(join(root, 'hash/mod.ts'))).not.toBe(before)

    putPackage('hashed')
    const folder = join(root, 'node_modules/hashed')
    const whole = packageIntegrity(folder)
    put('node_modules/hashed/README.md', 'text')
    put('node_modules/hashed/node_modules/other/mod.js', 'export {}')
    expect(packageIntegrity(folder)).toBe(whole)
    put('node_modules/hashed/lib/more.js', 'export {}')
    expect(packageIntegrity(folder)).not.toBe(whole)
  })
})

test('`host.explain()` says who provides what, from where and why', async () => {
  const loaded = await loadPlugins(['npm:one@^1'], { from: root })
  using host = createHost({
    plugins: [{ name: 'value', version: '9.0.0', provides: {} }, ...loaded.map(({ plugin }) => plugin)],
    origins: originsOf(loaded),
  })
  const { plugins, capabilities, ops } = host.explain()
  const place = join(root, 'node_modules/one/mod.js')
  const why = 'plugins: npm:one@^1'
  expect(plugins).toEqual([
    { name: 'value', version: '9.0.0', place: null, why: 'built in, or given as a value' },
    { name: 'one', version: '1.2.3', place, why },
  ])
  expect(capabilities).toEqual([{ kind: 'monitor', name: 'one', plugin: 'one', place, why }])
  expect(ops).toEqual([])
})
