/**
 * The types of the package in the projects of others: programs that use the public API compile without a message whatever the
 * project's compiler, its settings, its `lib` and its other types are.
 */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { spawnSync } from 'node:child_process'
import {
  copyFileSync,
  globSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { compile } from '../../scripts/build/compile.ts'
import { entryPoints } from '../../scripts/build/entry-points.ts'
import { rootManifest, tritunePackageJson } from '../../scripts/build/manifests.ts'
import { temporaryFolder } from '../_golden.ts'

const ROOT = join(import.meta.dir, '../..')
/** `everything.ts` imports all that can be imported. */
const PROGRAMS = ['train.ts', 'parts.ts', 'low-rank.ts', 'vector-scale.ts', 'everything.ts']
const MODULES = join(ROOT, 'node_modules')
const project = temporaryFolder()
const installed = join(project.path, 'node_modules/tritune/')

beforeAll(() => {
  expect(compile(installed).errors).toBe('')
  writeFileSync(
    join(installed, 'package.json'),
    JSON.stringify(tritunePackageJson(rootManifest(), [], ['mod.js'])),
  )
  const everything = Object.keys(entryPoints()).map(
    (name, i) => `export * as _${i} from 'tritune${name.slice(1)}'\n`,
  )
  writeFileSync(join(project.path, 'everything.ts'), everything.join(''))
  for (const name of Object.keys(rootManifest().dependencies)) link(name)
  for (const name of ['@types/bun', '@types/node', 'bun-types', 'undici-types']) link(name)
  writeFileSync(
    join(project.path, 'package.json'),
    '{ "type": "module", "dependencies": { "tritune": "*" } }',
  )
  for (const name of ['low-rank.ts', 'vector-scale.ts'])
    copyFileSync(join(ROOT, 'docs/examples', name), join(project.path, name))
  for (const name of ['train.ts', 'parts.ts'])
    copyFileSync(join(import.meta.dir, 'programs', name), join(project.path, name))
}, 300_000)

afterAll(() => project[Symbol.dispose]())

function link(name: string): void {
  const place = join(project.path, 'node_modules', name)
  mkdirSync(dirname(place), { recursive: true })
  symlinkSync(join(MODULES, name), place)
}

/** Until it is disposed the project has not installed these. */
function without(...names: readonly string[]): Disposable {
  const modules = join(project.path, 'node_modules')
  const aside = join(project.path, 'aside')
  mkdirSync(aside)
  for (const name of names) renameSync(join(modules, name), join(aside, name))
  return {
    [Symbol.dispose]() {
      for (const name of names) renameSync(join(aside, name), join(modules, name))
      rmSync(aside, { recursive: true })
    },
  }
}

/** What the compiler says of the programs; empty when it has nothing to say. */
function messages(command: readonly string[], settings?: object): string {
  if (settings) {
    const files = { compilerOptions: settings, files: PROGRAMS }
    writeFileSync(join(project.path, 'tsconfig.json'), JSON.stringify(files))
  }
  const [program, ...argv] = command
  const { status, stdout, stderr } = spawnSync(program, argv, {
    cwd: project.path,
    encoding: 'utf8',
    env: { ...process.env, NO_COLOR: '1' },
  })
  return status === 0 ? '' : `${stdout}${stderr}`
}

function withoutComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\//g, '')
}

const TSC_7 = [process.execPath, join(MODULES, 'typescript/bin/tsc')]
const TSC_5 = [process.execPath, join(MODULES, 'typescript-5/bin/tsc')]
const BUNDLER = { module: 'preserve', moduleResolution: 'bundler' }
const NODE = { module: 'nodenext', moduleResolution: 'nodenext' }

const STRICTEST = {
  strict: true,
  exactOptionalPropertyTypes: true,
  noUncheckedIndexedAccess: true,
  noPropertyAccessFromIndexSignature: true,
  noImplicitOverride: true,
  noUncheckedSideEffectImports: true,
  verbatimModuleSyntax: true,
  isolatedModules: true,
  skipLibCheck: false,
  noEmit: true,
  target: 'ES2022',
}

/** What `bun init` of Bun 1.4 writes. */
const BUN_INIT = {
  lib: ['ESNext'],
  target: 'ESNext',
  module: 'Preserve',
  moduleDetection: 'force',
  jsx: 'react-jsx',
  allowJs: true,
  types: ['bun'],
  moduleResolution: 'bundler',
  allowImportingTsExtensions: true,
  verbatimModuleSyntax: true,
  noEmit: true,
  strict: true,
  skipLibCheck: true,
  noFallthroughCasesInSwitch: true,
  noUncheckedIndexedAccess: true,
  noImplicitOverride: true,
}

interface Case {
  readonly name: string
  readonly compiler: readonly string[]
  readonly settings: object
}

const compilers = [
  { version: 'TypeScript 7', compiler: TSC_7 },
  { version: 'TypeScript 5.9', compiler: TSC_5 },
]
// Without any types: below, where nobody has installed some.
const strict: readonly Case[] = [
  { version: 0, lib: ['ES2022', 'DOM'], types: ['node'], ...BUNDLER },
  { version: 0, lib: ['ES2023', 'DOM'], types: ['node'], ...NODE },
  { version: 0, lib: ['ES2022'], types: ['node'], ...BUNDLER },
  { version: 0, lib: ['ES2023'], types: ['bun'], ...NODE },
  // Slower by far; what it is asked is what differs most.
  { version: 1, lib: ['ES2022', 'DOM'], types: ['node'], ...NODE },
  { version: 1, lib: ['ES2023'], types: ['bun'], ...BUNDLER },
].map(({ version, lib, types, ...rest }) => ({
  name: `${compilers[version].version}, all checks, ${lib.join(' and ')}, types ${types.join() || 'none'}, ${rest.moduleResolution}`,
  compiler: compilers[version].compiler,
  settings: { ...STRICTEST, lib, types, ...rest },
}))
const others: readonly Case[] = compilers.flatMap(({ version, compiler }) => [
  { name: `${version}, as bun init`, compiler, settings: BUN_INIT },
  {
    name: `${version}, no library but the language's, no types`,
    compiler,
    settings: { ...STRICTEST, lib: ['ES2022'], types: [], ...NODE, skipLibCheck: true },
  },
])

describe('the types of the package', () => {
  test.each([...strict, ...others])(
    'compile without a message: $name',
    ({ compiler, settings }) => {
      expect(messages([...compiler, '-p', '.'], settings)).toBe('')
    },
    300_000,
  )

  test.each(compilers)(
    'compile as tsc --init of $version has it',
    ({ compiler }) => {
      rmSync(join(project.path, 'tsconfig.json'), { force: true })
      expect(messages([...compiler, '--init'])).toBe('')
      expect(messages([...compiler, '-p', '.', '--noEmit'])).toBe('')
    },
    300_000,
  )

  test('compile under bun check and deno check', () => {
    expect(messages([join(MODULES, '.bin/bun'), 'check', '--no-pretty'], BUN_INIT)).toBe('')
    rmSync(join(project.path, 'tsconfig.json'))
    writeFileSync(join(project.path, 'deno.json'), '{ "nodeModulesDir": "manual" }')
    expect(messages([join(MODULES, '.bin/deno'), 'check', ...PROGRAMS])).toBe('')
    rmSync(join(project.path, 'deno.json'))
  }, 300_000)

  test.each(compilers)(
    'compile without a message, all checks, $version, where neither types of a runtime nor the client of the hub are installed',
    ({ compiler }) => {
      using _without = without('@types', 'bun-types', 'undici-types', '@huggingface')
      for (const resolution of [BUNDLER, NODE]) {
        const settings = { ...STRICTEST, lib: ['ES2022', 'DOM'], ...resolution }
        expect(messages([...compiler, '-p', '.'], settings)).toBe('')
      }
    },
    300_000,
  )

  test('name no type of a runtime but AbortSignal, where there is none', () => {
    const bare = { ...STRICTEST, lib: ['ES2022'], types: [], ...BUNDLER }
    const own = messages([...TSC_7, '-p', '.', '--pretty', 'false'], bare)
      .split('\n')
      .filter(
        (line) =>
          /^\S.*error TS/.test(line) &&
          line.includes('node_modules/tritune/') &&
          !line.includes("'AbortSignal'"),
      )
    expect(own).toEqual([])
    const files = globSync('**/*.d.ts', { cwd: installed })
    expect(files.length).toBeGreaterThan(300)
    const naming = files.filter((file) =>
      /from ['"]bun|types="bun|\bBun\./.test(withoutComments(readFileSync(installed + file, 'utf8'))),
    )
    expect(naming).toEqual([])
  }, 300_000)

  test('show what is said of a key', () => {
    const text = readFileSync(join(installed, 'plugins/finetune/config/finetune-input.d.ts'), 'utf8')
    expect(text).toContain(
      '/** the update is scaled by alpha / rank; as `lora_r` for other methods. Default: `8` */\n    readonly lora_alpha?: number',
    )
    const entry = readFileSync(join(installed, 'plugins/data/options/dataset-input.d.ts'), 'utf8')
    expect(entry).toMatch(
      /\/\*\* whose turns are learned\. Default: `\[assistant\]` \*\/\n    readonly roles_to_train\?/,
    )
  })
})

describe('the checkout', () => {
  test('compiles under bun check and deno check', () => {
    const check = (command: readonly string[]): string => {
      const [program, ...argv] = command
      const { status, stdout, stderr } = spawnSync(program, argv, { cwd: ROOT, encoding: 'utf8' })
      return status === 0 ? '' : `${stdout}${stderr}`
    }
    expect(check([join(MODULES, '.bin/bun'), 'check', '--no-script', '--no-pretty'])).toBe('')
    expect(check([join(MODULES, '.bin/deno'), 'check', '--no-lock', 'mod.ts'])).toBe('')
  }, 300_000)
})
