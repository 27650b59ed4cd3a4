/**
 * The suites of `tritune/testing` in the test runners that there are: the own tests of a plugin that `create-plugin` made, against the package as it
 * is built. As it was made it passes in each; with a fault planted, in something that is checked at once and in something that is awaited, it turns red.
 */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { spawnSync } from 'node:child_process'
import { readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { delimiter, dirname, join, resolve } from 'node:path'
import { denoCommand } from '../../scripts/_deno.ts'
import { ROOT } from '../../scripts/_setup.ts'
import { createPlugin } from '../../scripts/create-plugin/create-plugin.ts'
import type { PluginKindName } from '../../scripts/create-plugin/kinds.ts'
import { TEST_RUNNERS, type TestCounts, type TestRunner } from '../../scripts/rehearse/test-runners.ts'
import { toolModules } from '../../scripts/rehearse/tools.ts'
import { leftOut, missingTools, nodesForTests } from '../_tools.ts'
import { createProject } from './_project.ts'

interface Fault {
  readonly kind: PluginKindName
  readonly from: string
  readonly to: string
  /** The check that finds it. */
  readonly check: string
}

const FAULTS: readonly Fault[] = [
  {
    kind: 'optimizer',
    from: 'mul(update, -rate)',
    to: 'mul(update, rate)',
    check: 'first-optimizer: comes nearer to the minimum',
  },
  {
    kind: 'monitor',
    from: 'lines = Array.isArray(saved) ? saved.map(String) : []',
    to: 'lines = [String(saved)]',
    check: 'first-monitor: a resumed run ends with what a whole one ends with',
  },
]

const { nodes, missing: noNode } = await nodesForTests()
const noVitest = noNode ?? (await missingTools('vitest'))
const node = nodes[0] ?? 'node'
const PATH = [
  dirname(process.execPath),
  dirname(denoCommand()[0]),
  ...(node.includes('/') ? [dirname(resolve(node))] : []),
  process.env['PATH'] ?? '',
].join(delimiter)

const project = createProject()
const modules = join(project.path, 'node_modules')
const counted = new Set<number>()

beforeAll(() => {
  for (const name of ['koffi', '@koromix', '@types', 'undici-types'])
    symlinkSync(join(ROOT, 'node_modules', name), join(modules, name))
  if (noVitest === null) symlinkSync(join(toolModules('vitest'), 'vitest'), join(modules, 'vitest'))
  make('optimizer', 'as-made')
  for (const { kind, from, to } of FAULTS) {
    const file = join(make(kind, `faulty-${kind}`), 'src/mod.ts')
    const text = readFileSync(file, 'utf8')
    expect(text.split(from)).toHaveLength(2)
    writeFileSync(file, text.replace(from, to))
  }
})
afterAll(() => project[Symbol.dispose]())

describe.each(TEST_RUNNERS.map((runner): [string, TestRunner] => [runner.name, runner]))(
  '%s',
  (name, runner) => {
    const missing = name === 'vitest' ? noVitest : name.startsWith('node') ? noNode : null

    test.skipIf(missing !== null)(
      leftOut('runs the tests of a plugin as it was made: all pass', missing),
      () => {
        const { status, text, passed, failed } = runTests('as-made', runner)
        expect([status, failed, passed > 0], text).toEqual([0, 0, true])
        counted.add(passed)
        expect([...counted], 'as many as the others').toHaveLength(1)
      },
      300_000,
    )

    test.skipIf(missing !== null).each([...FAULTS])(
      leftOut('turns red by a fault: $check', missing),
      ({ kind, check }) => {
        const { status, text, passed, failed } = runTests(`faulty-${kind}`, runner)
        expect([status === 0, failed > 0, passed > 0], text).toEqual([false, true, true])
        expect(text).toContain(check)
        expect(text).toMatch(/^ *expected: /m)
        expect(text).toMatch(/^ *look at: /m)
      },
      300_000,
    )
  },
)

// ---- helpers ----------------------------------------------------------------------------------------------------

function make(kind: PluginKindName, name: string): string {
  const { folder } = createPlugin({
    kind,
    name: `tritune-plugin-first-${kind}`,
    folder: join(project.path, name),
  })
  symlinkSync(modules, join(folder, 'node_modules'))
  return folder
}

function runTests(
  folder: string,
  { command, read }: TestRunner,
): TestCounts & { readonly status: number | null; readonly text: string } {
  const [program, ...argv] = command
  const { status, stdout, stderr } = spawnSync(program, argv, {
    cwd: join(project.path, folder),
    encoding: 'utf8',
    env: { PATH, HOME: project.path, NO_COLOR: '1' },
  })
  const text = `${stdout}${stderr}`
  return { ...read(text), status, text }
}
