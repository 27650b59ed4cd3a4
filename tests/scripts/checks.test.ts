import { describe, expect, test } from 'bun:test'
import { readElf } from '../../scripts/checks/_elf.ts'
import { codeOnly } from '../../scripts/checks/_files.ts'
import { circles, layerProblems } from '../../scripts/checks/layers.ts'
import { untypedComments } from '../../scripts/checks/page-types.ts'
import { wordProblems } from '../../scripts/checks/words.ts'
import { overlooked } from '../../scripts/size.ts'

describe('layerProblems()', () => {
  const problems = (file: string, specifier: string): string[] =>
    layerProblems(file, `import { a } from '${specifier}'\n`)

  test('`layerProblems()` lets core import core', () => {
    expect(problems('core/ops/a.ts', '../op.ts')).toEqual([])
    expect(problems('core/a.ts', 'node:fs')).toEqual([])
  })
  test('`layerProblems()` keeps plugins, scripts and bun: out of core', () => {
    expect(problems('core/a.ts', '../plugins/peft/mod.ts')[0]).toContain('core imports core only')
    expect(problems('core/ops/a.ts', '../../scripts/test.ts')[0]).toContain('core imports core only')
    expect(problems('core/a.ts', 'bun:ffi')[0]).toContain('node: builtins')
    expect(problems('core/a.ts', './b')[0]).toContain('ending')
  })
  test('`layerProblems()` lets plugins meet through mod.ts only', () => {
    expect(problems('plugins/peft/lora.ts', '../models/mod.ts')).toEqual([])
    expect(problems('plugins/peft/lora.ts', './targets.ts')).toEqual([])
    expect(problems('plugins/peft/lora.ts', '../../core/mod.ts')).toEqual([])
    expect(problems('plugins/peft/lora.ts', '../models/llama.ts')[0]).toContain('plugins/models/mod.ts')
    expect(problems('plugins/peft/lora.ts', '../../scripts/test.ts')[0]).toContain('core and plugins only')
  })
  test('`layerProblems()` sees import(), export from and several lines', () => {
    expect(layerProblems('core/a.ts', "const a = await import('../plugins/cpu/mod.ts')")).toHaveLength(1)
    expect(layerProblems('core/a.ts', "export * from '../plugins/cpu/mod.ts'")).toHaveLength(1)
    expect(layerProblems('core/a.ts', "\nimport {\n  a,\n} from '../plugins/cpu/mod.ts'")[0]).toStartWith(
      'core/a.ts:4:',
    )
  })
  test('`layerProblems()` does not look into comments', () => {
    expect(layerProblems('core/a.ts', "// as in: import '../plugins/cpu/mod.ts', or Bun.file\n")).toEqual([])
  })
  test('`layerProblems()` refuses Bun.* and default exports', () => {
    expect(layerProblems('plugins/a/b.ts', "const f = Bun.file('x')\nexport default f\n")).toHaveLength(2)
  })
})

describe('untypedComments()', () => {
  test('`untypedComments()` finds any in types, and not in texts', () => {
    const found = (line: string): number => untypedComments('a.js', `let a\n/**\n * ${line}\n */\n`).length
    for (const bad of ['@param {any} x', '@returns {Promise<any>}', '@typedef {{ a: any }} A', '@type {*}'])
      expect(found(bad), bad).toBe(1)
    for (const good of [
      'any text',
      '@param {string} x any one',
      '@type {{ many: number }}',
      '@param {Company} x',
    ])
      expect(found(good), good).toBe(0)
    expect(untypedComments('a.js', "el({ step: 'any' })")).toEqual([])
    expect(untypedComments('a.js', '\n/** @type {any} */')).toEqual([
      'a.js:2: a type of any: /** @type {any} */',
    ])
  })
})

describe('wordProblems()', () => {
  // Put together here, so that this file passes the check.
  const slash = '/'
  test('`wordProblems()` finds folders and hosts', () => {
    for (const bad of [
      `${slash}home/someone/project`,
      `${slash}root/.cache`,
      `${slash}work/main/core`,
      `https:${slash}/registry.acme.dev/x`,
      `http:${slash}/10.0.0.7:4873/npm/`,
      `https:${slash}/npm-mirror.acme.dev/x`,
    ]) {
      expect(wordProblems('a.ts', `x = '${bad}'`)).not.toEqual([])
    }
  })
  test('`wordProblems()` leaves ordinary text alone', () => {
    for (const good of [
      'https://huggingface.co/x',
      'https://mirror.example/x',
      'https://mirror/x',
      'http://127.0.0.1:8080/api',
      './work/bench',
      'team/root/x',
      'a framework/thing',
    ]) {
      expect(wordProblems('a.ts', good)).toEqual([])
    }
  })
  test('`wordProblems()` lets bun.lock name no host', () => {
    expect(wordProblems('bun.lock', '"x": ["x@1", "https://example.com/x.tgz"]')).toHaveLength(1)
  })
})

describe('overlooked()', () => {
  test('`overlooked()` finds any, double casts and suppressions', () => {
    expect(overlooked('a.ts', 'const a: any = 1')).toHaveLength(1)
    expect(overlooked('a.ts', 'const a = b as any')).toHaveLength(1)
    expect(overlooked('a.ts', 'const a: Map<string, any> = b')).toHaveLength(1)
    expect(overlooked('a.ts', 'const a = b as unknown as C')).toHaveLength(1)
    expect(overlooked('a.ts', `// ${'@ts'}-ignore`)).toHaveLength(1)
  })
  test('`overlooked()` allows expected errors in type tests, and the word in text', () => {
    expect(overlooked('tests/types/a.ts', `// ${'@ts'}-expect-error`)).toEqual([])
    expect(overlooked('core/a.ts', `// ${'@ts'}-expect-error`)).toHaveLength(1)
    expect(overlooked('a.ts', "// any of them\nconst a = 'x: any'\nconst o = { any: 1 }")).toEqual([])
  })
})

test('`codeOnly()` keeps places and removes comments and strings', () => {
  expect(codeOnly("a /* b\nc */ 'd' // e\nf")).toBe('a     \n             \nf')
})

describe('readElf()', () => {
  test('`readElf()` reads what a shared library exports and needs', async () => {
    const { fileURLToPath } = await import('node:url')
    const path = fileURLToPath(new URL('../../native/prebuilt/linux-x64/libtritune_cpu.so', import.meta.url))
    const { exports, needs, versions } = readElf(await Bun.file(path).bytes(), path)
    expect(exports).toContain('tt_abi_version')
    expect(exports.filter((name) => !name.startsWith('tt_'))).toEqual([])
    expect(needs).toContain('libc.so.6')
    expect(versions).toContain('GLIBC_2.2.5')
  })
  test('`readElf()` refuses other files', () => {
    expect(() => readElf(new Uint8Array(64), 'a.so')).toThrow(/a\.so: not a 64-bit/)
  })
})

describe('circles()', () => {
  const source = (...specifiers: string[]): string =>
    specifiers.map((specifier) => `import type { A } from '${specifier}'\n`).join('')

  test('`circles()` finds files that import each other, types included', () => {
    const files = new Map([
      ['core/a.ts', source('./b.ts')],
      ['core/b.ts', source('./rooms/c.ts', './d.ts')],
      ['core/rooms/c.ts', source('../a.ts')],
      ['core/d.ts', source('./e.ts')],
      ['core/e.ts', "export * from './d.ts'"],
      ['core/f.ts', source('./a.ts', './d.ts', 'node:fs')],
    ])
    expect(circles(files).toSorted()).toEqual([
      ['core/a.ts', 'core/b.ts', 'core/rooms/c.ts'],
      ['core/d.ts', 'core/e.ts'],
    ])
  })

  test('`circles()` takes a file that is imported on two ways for none', () => {
    const files = new Map([
      ['core/a.ts', source('./b.ts', './c.ts')],
      ['core/b.ts', source('./d.ts')],
      ['core/c.ts', source('./d.ts', './b.ts')],
      ['core/d.ts', "// import './a.ts'\n"],
    ])
    expect(circles(files)).toEqual([])
  })
})
