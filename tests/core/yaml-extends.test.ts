/**
 * `extends:`: which value holds, and what a file that cannot be extended is told.
 */
import { expect, test } from 'bun:test'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as v from 'valibot'
import { defineConfig } from '../../core/contracts/config.ts'
import { integer } from '../../core/contracts/config-fields.ts'
import { type ErrorCode, TrituneError } from '../../core/errors.ts'
import { extendYaml } from '../../core/files/yaml-extends.ts'
import { applyOverrides, parseYaml, validateYaml, type YamlSource, yamlValue } from '../../core/files/yaml.ts'
import { temporaryFolder } from '../_golden.ts'

interface Files extends Disposable {
  readonly path: string
  /** `main.yaml` with what it extends. */
  extended(overrides?: readonly string[]): YamlSource
}

function files(texts: Readonly<Record<string, string>>, names: readonly string[] = []): Files {
  const folder = temporaryFolder()
  for (const [name, text] of Object.entries(texts)) {
    mkdirSync(join(folder.path, name, '..'), { recursive: true })
    writeFileSync(join(folder.path, name), text)
  }
  const named = new Map(names.map((name) => [name, join(folder.path, `${name}.yaml`)]))
  return {
    path: folder.path,
    extended: (overrides = []) =>
      applyOverrides(
        extendYaml(parseYaml(texts['main.yaml'], join(folder.path, 'main.yaml')), { named }),
        overrides,
      ),
    [Symbol.dispose]: () => folder[Symbol.dispose](),
  }
}

function errorOf(run: () => unknown): TrituneError {
  try {
    run()
  } catch (error) {
    if (error instanceof TrituneError) return error
    throw error
  }
  throw new Error('expected an error')
}

test('values of the file hold before those below, later files before earlier ones, mappings key by key', () => {
  using space = files({
    'main.yaml': 'extends: [one.yaml, sub/two.yaml]\na: 1\nm: { x: 1 }\nlist: [9]\ngone: null\n',
    'one.yaml': 'a: 10\nb: 10\nc: 10\nm: { x: 10, y: 10 }\nlist: [1, 2]\ngone: 3\n',
    'sub/two.yaml': 'extends: three.yaml\nb: 20\nm: { z: 20 }\n',
    'sub/three.yaml': 'b: 30\nd: 30\n',
  })
  expect(yamlValue(space.extended())).toEqual({
    a: 1,
    b: 20,
    c: 10,
    d: 30,
    m: { x: 1, y: 10, z: 20 },
    list: [9],
    gone: null,
  })
})

test('the command line changes parts of what is extended, too', () => {
  using space = files({
    'main.yaml': 'extends: base.yaml\n',
    'base.yaml': 'datasets:\n  - { path: a, type: x }\n  - { path: b, type: y }\nm: { x: 1, y: 2 }\n',
  })
  expect(yamlValue(space.extended(['datasets.1.path=c', 'm.x=7']))).toEqual({
    datasets: [
      { path: 'a', type: 'x' },
      { path: 'c', type: 'y' },
    ],
    m: { x: 7, y: 2 },
  })
})

test('a mistake is told where it stands', () => {
  const config = defineConfig(v.strictObject({ a: integer(), b: integer(), c: integer() }))
  using space = files({
    'main.yaml': 'extends: base.yaml\na: one\n',
    'base.yaml': '# of all\nb: two\nc: 3\n',
  })
  const message = errorOf(() => validateYaml(config, space.extended())).message
  expect(message).toContain(`${join(space.path, 'main.yaml')}:2:1 a: expected an integer`)
  expect(message).toContain(`${join(space.path, 'base.yaml')}:2:1 b: expected an integer`)
  expect(errorOf(() => validateYaml(config, space.extended(['b=x', 'a=1']))).message).toContain('--set b')
})

test('a name is that of a known file', () => {
  using space = files({ 'main.yaml': 'extends: small\n', 'small.yaml': 'a: 1\n' }, ['small'])
  expect(yamlValue(space.extended())).toEqual({ a: 1 })
  using wrong = files({ 'main.yaml': 'extends: smal\n' }, ['small'])
  const error = errorOf(() => wrong.extended())
  expect([error.code, error.place]).toEqual(['E_NAME', `${join(wrong.path, 'main.yaml')}:1:1 extends`])
  expect(error.remedy).toContain('small')
})

test('nothing is extended by an empty value', () => {
  using space = files({ 'main.yaml': 'extends:\na: 1\n' })
  expect(yamlValue(space.extended())).toEqual({ a: 1 })
})

test.each<[ErrorCode, string]>([
  ['E_CONFIG', 'extends: main.yaml\n'],
  ['E_CONFIG', 'extends: other.yaml\n'],
  ['E_CONFIG', 'extends: 3\n'],
  ['E_CONFIG', 'extends: { a: 1 }\n'],
  ['E_CONFIG', 'extends: [other.yaml, ""]\n'],
  ['E_FILE', 'extends: none.yaml\n'],
  ['E_FILE', 'extends: ./folder/\n'],
  ['E_YAML', 'extends: broken.yaml\n'],
])('%s: %j', (code, main) => {
  using space = files({
    'main.yaml': main,
    'other.yaml': 'extends: main.yaml\n',
    'broken.yaml': 'a: [\n',
    'folder/a.txt': '',
  })
  expect(errorOf(() => space.extended()).code).toBe(code)
})

test('a chain of files ends', () => {
  const chain = Array.from({ length: 14 }, (_, i) => [`f${i}.yaml`, `extends: f${i + 1}.yaml\n`])
  using space = files({ 'main.yaml': 'extends: f0.yaml\n', ...Object.fromEntries(chain) })
  expect(errorOf(() => space.extended()).message).toContain('more than 10 files')
})
