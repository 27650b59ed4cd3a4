/**
 * The package as it is installed, with no registry to be reached: what runs, and what is said where something is missing.
 */
import { afterAll, describe, expect, test } from 'bun:test'
import {
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { schemaOfFinetune } from '../../plugins/finetune/mod.ts'
import { temporaryFolder } from '../_golden.ts'
import { leftOut, nodesForTests, nodeVersion } from '../_tools.ts'
import { BUN, createProject, DENO } from './_project.ts'

const { nodes, missing } = await nodesForTests()
const OLD = Number.parseInt(nodeVersion('node'))
const noRoot = process.getuid?.() === 0 ? null : 'the tests do not run as root'
const noOld = OLD < 22 ? null : 'the Node of this machine is none, or not older than 22'

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

  test('init points at the schema of the package, which is what the command prints, and at nothing that does not stay', () => {
    const { exitCode } = project.tritune(BUN, ['init', 'first.yaml'])
    expect(exitCode).toBe(0)
    const lines = readFileSync(join(project.path, 'first.yaml'), 'utf8').split('\n')
    const path = './node_modules/tritune/finetune.schema.json'
    expect(lines[0]).toBe(`# yaml-language-server: $schema=${path}`)
    const schema = readFileSync(join(project.path, path), 'utf8')
    for (const runtime of [BUN, DENO]) expect(project.tritune(runtime, ['schema']).text).toBe(schema)
    expect(JSON.parse(schema)).toEqual(JSON.parse(JSON.stringify(schemaOfFinetune())))
    using elsewhere = temporaryFolder()
    const file = join(elsewhere.path, 'far.yaml')
    expect(project.tritune(BUN, ['init', file]).exitCode).toBe(0)
    expect(readFileSync(file, 'utf8')).not.toContain('$schema')
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
    if (nodes.length === 0) return
    const { exitCode, text } = project.tritune(
      [nodes[0]],
      ['finetune', 'my.yaml', ...set('wasm-node', 'auto')],
    )
    expect([exitCode, text]).toEqual([
      0,
      expect.stringMatching(/Node needs the package koffi .*running on WebAssembly/),
    ])
    expect(losses('wasm-node')).toEqual(losses('wasm-deno'))
  }, 120_000)

  test('names files that are there and stay there, also where a package manager keeps versions apart', () => {
    using folder = temporaryFolder()
    const modules = join(folder.path, 'node_modules')
    const kept = join(modules, '.deno/tritune@0.0.0/node_modules/tritune')
    mkdirSync(join(kept, '..'), { recursive: true })
    cpSync(join(project.path, 'node_modules/tritune'), kept, { recursive: true })
    symlinkSync(kept, join(modules, 'tritune'))
    for (const name of readdirSync(join(project.path, 'node_modules')))
      if (name !== 'tritune') symlinkSync(join(project.path, 'node_modules', name), join(kept, '..', name))
    const said = spawnSync(
      process.execPath,
      [join(modules, 'tritune/scripts/tritune.js'), 'init', 'a.yaml'],
      {
        cwd: folder.path,
        encoding: 'utf8',
      },
    )
    expect([said.status, said.stderr]).toEqual([0, ''])
    const text = readFileSync(join(folder.path, 'a.yaml'), 'utf8')
    const named = text.match(/\.\/node_modules\/\S+/g) ?? []
    expect(named).toContain('./node_modules/tritune/docs/yaml.md')
    expect(named).toContain('./node_modules/tritune/quickstart/model')
    for (const path of named) {
      expect(path).toStartWith('./node_modules/tritune/')
      expect([path, existsSync(join(folder.path, path))]).toEqual([path, true])
    }
    const readme = readFileSync(join(modules, 'tritune/README.md'), 'utf8')
    const links = [...readme.matchAll(/\]\((docs\/[^)#]+)/g)].map(([, path]) => path)
    expect(links.length).toBeGreaterThan(5)
    for (const path of links) expect([path, existsSync(join(modules, 'tritune', path))]).toEqual([path, true])
  }, 60_000)

  test('shows runs as a page, with its charts, though uplot is not installed', async () => {
    const script = join(project.path, 'node_modules/tritune/scripts/tritune.js')
    rmSync(join(project.path, 'node_modules/uplot'), { force: true })
    const child = Bun.spawn([...BUN, script, 'monitor', '--web', '--port', '0'], {
      cwd: project.path,
      stdout: 'pipe',
    })
    try {
      const { value = '' } = await child.stdout.pipeThrough(new TextDecoderStream()).getReader().read()
      const [page] = value.split('/#token=')
      const sizes = ['', 'app.js', 'style.css', 'uplot.js', 'uplot.css'].map(async (name) => {
        const { status, headers } = await fetch(`${page}/${name}`)
        return [name, status, Number(headers.get('content-length')) > 500]
      })
      expect(await Promise.all(sizes)).toEqual(
        ['', 'app.js', 'style.css', 'uplot.js', 'uplot.css'].map((name) => [name, 200, true]),
      )
    } finally {
      child.kill()
      await child.exited
    }
  }, 60_000)

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

  test('bench offers what it can measure, and says what is missing', () => {
    const said = (...args: string[]): string => {
      const { exitCode, text } = project.tritune(BUN, ['bench', ...args])
      expect([args, exitCode]).toEqual([args, 2])
      expect(text.split('\n')).toHaveLength(3)
      return text
    }
    expect(said('ops')).toBe(
      'error: ops is measured with the package mitata, which is not installed\n  → bun add mitata\n',
    )
    for (const args of [['startup'], ['finetune'], ['kernels', '--python', 'python3']])
      expect(said(...args)).toContain(
        'only the repository has\n  → here there are generate, kernels, optimizers, blas, ternary, quant and ops',
      )
    expect(project.tritune(BUN, ['bench', '--help']).text).toContain(
      'topics: generate, kernels, optimizers, blas, ternary, quant; or ops,',
    )
    const measured = project.tritune(BUN, ['bench', 'kernels', '--quick', '--only', 'swiglu, f32'])
    expect(measured.text).toContain('tritune bench kernels --quick')
    expect(measured.text).not.toContain('bench bench')
    expect(measured.text).toMatch(/swiglu, f32 .*\d/)
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
    expect(text).toContain(' generate ./node_modules/tritune/quickstart/model ')
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

  test('contract suites say what to install for the checks that they leave out', () => {
    const source = `
      import { training } from 'tritune/plugins/finetune'
      import { optimizerContract } from 'tritune/testing'
      const checks = optimizerContract(training.provides.optimizer.adamw)
      console.log(JSON.stringify(checks.flatMap(({ skipped }) => skipped ?? [])))`
    writeFileSync(join(project.path, 'skipped.js'), source)
    const { stdout, stderr } = spawnSync(process.execPath, ['skipped.js'], {
      cwd: project.path,
      encoding: 'utf8',
    })
    expect(stderr).toBe('')
    const reasons: string[] = JSON.parse(stdout)
    expect(reasons.length).toBeGreaterThan(0)
    for (const reason of reasons) expect(reason).toEndWith('; bun add @tritune/linux-x64-emulator')
  })

  test('a GPU is asked for, and its package is not installed', () => {
    const { exitCode, text } = project.tritune(BUN, ['finetune', 'my.yaml', '--device', 'cuda'])
    expect(exitCode).toBe(1)
    expect(text).toMatch(/→ bun add @tritune\/linux-x64-cuda\b/)
  })

  test.skipIf(missing !== null)(leftOut('Node without koffi: one error that says so', missing), () => {
    const { exitCode, text } = project.tritune(
      [nodes[0]],
      ['finetune', 'my.yaml', '--set', 'output_dir=node'],
    )
    expect(exitCode).toBe(1)
    expect(text).toContain('Node calls native code through the package koffi, which is not installed')
    expect(text).toContain('→ npm install koffi')
    expect(text).not.toContain('    at ')
  })

  test.skipIf(missing !== null)(
    leftOut('doctor in Node without koffi: ready on WebAssembly, and what mends it', missing),
    () => {
      const { exitCode, text } = project.tritune([nodes[0]], ['doctor'])
      expect(exitCode).toBe(0)
      expect(text).toMatch(/^libraries +cpu +there, not opened, /m)
      expect(text).toMatch(/^ready +models are fine-tuned on WebAssembly; to mend it: npm install koffi$/m)
    },
  )

  test.skipIf(noRoot !== null)(
    leftOut('Deno as root writes into a folder of somebody else', noRoot),
    () => {
      const folder = join(project.path, 'of-nobody')
      mkdirSync(folder, { mode: 0o755 })
      chownSync(folder, 65534, 65534)
      const { exitCode, text } = project.tritune(DENO, [
        'finetune',
        'my.yaml',
        '--set',
        'output_dir=of-nobody/run',
      ])
      expect([exitCode, text]).toEqual([0, expect.stringContaining('adapter in of-nobody/run')])
      expect(readdirSync(folder)).toEqual(['run'])
    },
    60_000,
  )

  test.skipIf(noOld !== null)(leftOut('a Node that is too old: one error with its version', noOld), () => {
    const { exitCode, text } = project.tritune(['node'], ['finetune', 'my.yaml'])
    expect([exitCode, text]).toEqual([
      1,
      expect.stringMatching(/^error: tritune needs Node 22 .*\n {2}→ .*\n$/),
    ])
  })
})
