/**
 * The package as it is installed, with no registry to be reached: what runs, and what is said where something is missing.
 */
import { afterAll, describe, expect, test } from 'bun:test'
import { chmodSync, existsSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { BUN, createProject, DENO, NODE, NODE_VERSION } from './_project.ts'

const project = createProject()
const bare = createProject([])
afterAll(() => {
  project[Symbol.dispose]()
  bare[Symbol.dispose]()
})

function contents(folder: string): string[] {
  return readdirSync(folder, { recursive: true })
    .map((name) => `${String(name)} ${statSync(join(folder, String(name))).size}`)
    .toSorted()
}

function losses(name: string): string[] {
  const text = readFileSync(join(project.path, name, 'metrics.jsonl'), 'utf8')
  return [...text.matchAll(/"loss":([^,}]+)/g)].map(([, loss]) => loss)
}

describe('an installed tritune', () => {
  test('trains in Bun and in Deno to the same digits, without a registry, and leaves node_modules as it was', () => {
    const modules = join(project.path, 'node_modules')
    const before = contents(modules)
    for (const [name, runtime] of [
      ['bun', BUN],
      ['deno', DENO],
    ] as const) {
      const { exitCode, text } = project.tritune(runtime, [
        'finetune',
        'my.yaml',
        '--set',
        `output_dir=${name}`,
      ])
      expect([exitCode, text]).toEqual([0, expect.stringContaining(`adapter in ${name}`)])
    }
    expect(losses('bun')).toHaveLength(2)
    expect(losses('deno')).toEqual(losses('bun'))
    expect(contents(modules)).toEqual(before)
  }, 60_000)

  test('trains on WebAssembly in every runtime, and Node takes it by itself without koffi', () => {
    const set = (name: string, device: string): string[] => [
      '--set',
      `output_dir=${name}`,
      '--set',
      `device=${device}`,
    ]
    for (const [name, runtime] of [
      ['wasm-bun', BUN],
      ['wasm-deno', DENO],
    ] as const) {
      const { exitCode, text } = project.tritune(runtime, ['finetune', 'my.yaml', ...set(name, 'wasm')])
      expect([exitCode, text]).toEqual([0, expect.stringMatching(/device +wasm \(/)])
    }
    expect(losses('wasm-bun')).toHaveLength(2)
    // Whether a relaxed multiply-add rounds once is the engine's choice.
    for (const [i, loss] of losses('wasm-deno').entries())
      expect(Math.abs(Number(loss) - Number(losses('wasm-bun')[i]))).toBeLessThan(0.005)
    if (NODE_VERSION < 22) return
    const { exitCode, text } = project.tritune(NODE, ['finetune', 'my.yaml', ...set('wasm-node', 'auto')])
    expect([exitCode, text]).toEqual([
      0,
      expect.stringMatching(/Node needs the package koffi .*running on WebAssembly/),
    ])
    expect(losses('wasm-node')).toEqual(losses('wasm-deno'))
  }, 120_000)

  test('needs no right to write into node_modules', () => {
    const modules = join(project.path, 'node_modules')
    const isRoot = process.getuid?.() === 0
    const readOnly = (mode: number): void => {
      chmodSync(join(modules, 'tritune'), mode)
      chmodSync(modules, mode)
    }
    readOnly(0o555)
    try {
      const output = 'as-guest'
      const { exitCode, text } = project.tritune(
        BUN,
        ['finetune', 'my.yaml', '--set', `output_dir=${output}`],
        {
          ...(isRoot && { uid: 65534 }),
        },
      )
      expect([exitCode, text]).toEqual([0, expect.stringContaining(`adapter in ${output}`)])
      if (isRoot) expect(statSync(join(project.path, output)).uid).toBe(65534)
    } finally {
      readOnly(0o755)
    }
  }, 60_000)

  test('its quickstart works where the person stands', () => {
    const { text } = project.tritune(BUN, [
      'quickstart',
      '--set',
      'max_steps=1',
      '--set',
      'evals_per_epoch=0',
    ])
    expect(text).toContain('the adapter is in outputs/quickstart')
    expect(existsSync(join(project.path, 'outputs/quickstart/adapter_config.json'))).toBe(true)
    rmSync(join(project.path, 'outputs'), { recursive: true })
  }, 60_000)

  test.each([
    ['Bun', BUN, 'bun add'],
    ['Deno', DENO, 'deno add'],
  ])(
    'without the package of the platform, in %s: one error that says what to install',
    (_, runtime, command) => {
      const { exitCode, text } = bare.tritune(runtime, ['finetune', 'my.yaml'])
      expect(exitCode).toBe(1)
      expect(text).toMatch(/^error: .*libtritune_cpu is not there/m)
      expect(text).toMatch(new RegExp(`→ ${command} (npm:)?@tritune/linux-x64$`, 'm'))
      expect(text).not.toContain('    at ')
    },
  )

  test('a GPU is asked for, and its package is not installed', () => {
    const { exitCode, text } = project.tritune(BUN, ['finetune', 'my.yaml', '--device', 'cuda'])
    expect(exitCode).toBe(1)
    expect(text).toMatch(/→ bun add @tritune\/linux-x64-cuda\b/)
  })

  test.skipIf(NODE_VERSION < 22)('Node without koffi: one error that says so', () => {
    const { exitCode, text } = project.tritune(NODE, ['finetune', 'my.yaml', '--set', 'output_dir=node'])
    expect(exitCode).toBe(1)
    expect(text).toContain('Node calls native code through the package koffi, which is not installed')
    expect(text).toContain('→ npm install koffi')
    expect(text).not.toContain('    at ')
  })

  test.skipIf(NODE_VERSION === 0 || NODE_VERSION >= 22)(
    'a Node that is too old: one error with its version',
    () => {
      const { exitCode, text } = project.tritune(NODE, ['finetune', 'my.yaml'])
      expect([exitCode, text]).toEqual([
        1,
        expect.stringMatching(/^error: tritune needs Node 22 .*\n {2}→ .*\n$/),
      ])
    },
  )
})
