/**
 * Plugins that are wrong, in an installed package: in Bun, Deno and Node one error that says what, where, and what to do, before anything is trained.
 */
import { afterAll, describe, expect, test } from 'bun:test'
import { existsSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT } from '../../scripts/_setup.ts'
import { leftOut, nodesForTests } from '../_tools.ts'
import { BUN, createProject, DENO } from './_project.ts'

interface Wrong {
  readonly what: string
  readonly plugins: readonly string[]
  /** Of what is said before the remedy. */
  readonly says: RegExp
  readonly remedy: RegExp
}

const CASES: readonly Wrong[] = [
  {
    what: 'no export is a plugin',
    plugins: ['no-plugin'],
    says: /plugins\[0\]: no-plugin: no export is a plugin; found answer \(number\) \(\S+no-plugin\/mod\.js\)$/,
    remedy: /export const mine = definePlugin/,
  },
  {
    what: 'a syntax error',
    plugins: ['wrong-syntax'],
    says: /plugins\[0\]: wrong-syntax: the module cannot be imported: .*wrong-syntax\/inner\.js:2/,
    remedy: /^install another version of wrong-syntax, /,
  },
  {
    what: 'another version of tritune is needed',
    plugins: ['of-future'],
    says: /plugins\[0\]: of-future: of-future 1\.0\.0 is made for tritune \^9\.0\.0, and this is \d/,
    remedy: /^update one of them: (bun add|deno add npm:|npm install) ?of-future, or /,
  },
  {
    what: 'two plugins have one name',
    plugins: ['first', 'second'],
    says: /two plugins are called "same": \S+first\/mod\.js and \S+second\/mod\.js$/,
    remedy: /^leave one of them out, or rename/,
  },
  {
    what: 'a package is not installed',
    plugins: ['tritune-plugin-nowhere'],
    says: /plugins\[0\]: tritune-plugin-nowhere: the package tritune-plugin-nowhere is not installed$/,
    remedy: /^(bun add |deno add npm:|npm install )tritune-plugin-nowhere {2}\(in \//,
  },
]

const { nodes, missing } = await nodesForTests()
const project = createProject()
afterAll(() => project[Symbol.dispose]())
for (const name of ['koffi', '@koromix'])
  symlinkSync(join(ROOT, 'node_modules', name), join(project.path, 'node_modules', name))

put('no-plugin', { 'mod.js': 'export const answer = 42' })
put('wrong-syntax', {
  'mod.js': "export { plugin } from './inner.js'",
  'inner.js': 'export const plugin = {\n  name: "x" provides\n}',
})
put('of-future', { 'mod.js': 'throw new Error("it ran")' }, { peerDependencies: { tritune: '^9.0.0' } })
for (const name of ['first', 'second'])
  put(name, { 'mod.js': "export const plugin = { name: 'same', provides: {} }" })

describe.each([
  ['Bun', BUN, null],
  ['Deno', DENO, null],
  ['Node', nodes.slice(0, 1), missing],
] as const)('%s', (_, runtime, reason) => {
  test.skipIf(reason !== null).each([...CASES])(
    leftOut('$what: one error', reason),
    ({ plugins, says, remedy }) => {
      const { exitCode, text } = project.tritune(runtime, [
        'finetune',
        'my.yaml',
        '--set',
        `plugins=[${plugins.join(', ')}]`,
      ])
      expect(exitCode, text).toBe(1)
      const lines = text.trimEnd().split('\n')
      expect(lines, text).toHaveLength(2)
      expect(lines[0]).toMatch(/^error: /)
      expect(lines[0]).toMatch(says)
      expect(lines[1]).toMatch(/^ {2}→ /)
      expect(lines[1].slice('  → '.length)).toMatch(remedy)
      expect(existsSync(join(project.path, 'adapter'))).toBe(false)
    },
    60_000,
  )
})

function put(name: string, files: Readonly<Record<string, string>>, more: object = {}): void {
  const folder = join(project.path, 'node_modules', name)
  mkdirSync(folder, { recursive: true })
  const manifest = { name, version: '1.0.0', type: 'module', exports: './mod.js', ...more }
  writeFileSync(join(folder, 'package.json'), JSON.stringify(manifest))
  for (const [file, text] of Object.entries(files)) writeFileSync(join(folder, file), `${text}\n`)
}
