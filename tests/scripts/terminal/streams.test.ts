/**
 * Commands whose output goes to nobody, to a full disk or to a closed descriptor; colours; where paths start.
 */
import { describe, expect, test } from 'bun:test'
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { callersFolder } from '../../../scripts/_cli.ts'
import { ROOT } from '../../../scripts/_setup.ts'
import { contents, createSpace, type Space } from '../../stress/space.ts'

const FINETUNE = fileURLToPath(new URL('../../../scripts/finetune.ts', import.meta.url))
const GENERATE = fileURLToPath(new URL('../../../scripts/generate.ts', import.meta.url))

interface Shell {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** Runs a line of bash in which RUN is a command; the exit code is that of RUN. */
function shell(space: Space, line: string, run: readonly string[], env: Record<string, string> = {}): Shell {
  const command = run.map((part) => `'${part}'`).join(' ')
  const { stdout, stderr } = Bun.spawnSync(
    ['bash', '-c', line.replace('RUN', `{ ${command}; echo $? > code; }`)],
    {
      cwd: space.path,
      stdin: 'ignore',
      stdout: 'pipe',
      stderr: 'pipe',
      env: { ...process.env, ...env },
    },
  )
  const code = Number(Bun.spawnSync(['cat', join(space.path, 'code')]).stdout.toString())
  return { code, stdout: stdout.toString(), stderr: stderr.toString() }
}

const finetune = (out: string, ...more: string[]): string[] => [
  process.execPath,
  FINETUNE,
  'lora.yaml',
  '--set',
  `output_dir=./${out}`,
  ...more,
]

test('training goes on without its output, whatever became of it', () => {
  using space = createSpace({ steps: 8 })
  expect(shell(space, 'RUN', finetune('whole')).code).toBe(0)
  const expected = contents(join(space.path, 'whole'))
  expect(expected.has('adapter_model.safetensors')).toBe(true)
  for (const [name, line] of Object.entries({
    head: 'RUN | head -1',
    both: 'RUN 2>&1 | true',
    full: 'RUN > /dev/full 2> /dev/full',
    tee: 'RUN | (read -r line; kill -9 $BASHPID)',
    closed: 'RUN >&- 2>&- <&-',
  })) {
    const { code } = shell(space, line, finetune(name))
    expect([name, code]).toEqual([name, 0])
    expect(contents(join(space.path, name))).toEqual(expected)
  }
}, 60_000)

test('a full disk behind stdout is told once on stderr', () => {
  using space = createSpace({ steps: 4 })
  const { code, stderr } = shell(space, 'RUN > /dev/full', finetune('out'))
  expect(code).toBe(0)
  expect(
    stderr.match(/stdout cannot be written \(no space left on device\): going on without it/g)?.length,
  ).toBe(1)
}, 30_000)

test('what is made for its output ends with its reader, and fails with its disk', () => {
  using space = createSpace({ steps: 4 })
  const generate = [process.execPath, GENERATE, 'model', '--prompt', '1 2 3', '--max-new-tokens', '4']
  expect(shell(space, 'RUN | true', generate)).toMatchObject({ code: 0, stderr: '' })
  const full = shell(space, 'RUN > /dev/full', generate)
  expect(full.code).toBe(1)
  expect(full.stderr).toContain('error: stdout cannot be written: no space left on device')
}, 30_000)

describe('colours of --dry-run', () => {
  test.each([
    [{}, false],
    [{ FORCE_COLOR: '1' }, true],
    [{ FORCE_COLOR: '0' }, false],
    [{ NO_COLOR: '1' }, false],
  ] as const)(
    '%o in a pipe',
    (env, coloured) => {
      using space = createSpace({ steps: 4 })
      const plain = { NO_COLOR: '', FORCE_COLOR: '', ...env }
      const run = [
        'env',
        ...Object.keys(plain).flatMap((name) => ['-u', name]),
        ...Object.entries(env).map(([name, value]) => `${name}=${value}`),
        ...finetune('out', '--dry-run'),
      ]
      const { code, stdout } = shell(space, 'RUN', run)
      expect(code).toBe(0)
      expect(stdout.includes('\u001b[32m')).toBe(coloured)
      expect(stdout.includes('«')).toBe(!coloured)
      expect(existsSync(join(space.path, 'out'))).toBe(false)
    },
    20_000,
  )
})

describe('callersFolder()', () => {
  const env = (more: Record<string, string>): Record<string, string> => ({
    npm_package_json: join(ROOT, 'package.json'),
    ...more,
  })

  test('is where the person stood before bun or npm went to package.json', () => {
    const docs = join(ROOT, 'docs')
    expect(callersFolder(env({ npm_config_local_prefix: docs }), ROOT)).toBe(docs)
    expect(callersFolder(env({ npm_config_local_prefix: ROOT, INIT_CWD: docs }), ROOT)).toBe(docs)
  })

  test('is the working folder otherwise', () => {
    const docs = join(ROOT, 'docs')
    expect(callersFolder({}, docs)).toBe(docs)
    expect(callersFolder({ INIT_CWD: docs }, ROOT)).toBe(ROOT)
    expect(callersFolder(env({ INIT_CWD: docs }), '/tmp')).toBe('/tmp')
    expect(callersFolder(env({ INIT_CWD: '/tmp', npm_config_local_prefix: ROOT }), ROOT)).toBe(ROOT)
    expect(callersFolder(env({ INIT_CWD: join(ROOT, 'nowhere') }), ROOT)).toBe(ROOT)
  })

  test('holds for a command that is run in a folder below', () => {
    const folder = join(ROOT, 'outputs', `stands-here-${process.pid}`)
    mkdirSync(folder, { recursive: true })
    try {
      writeFileSync(join(folder, 'my.yaml'), 'base_model: ./nothing\n')
      const run = (): string =>
        Bun.spawnSync([process.execPath, 'run', 'finetune', 'my.yaml'], {
          cwd: folder,
          stderr: 'pipe',
        }).stderr.toString()
      expect(run()).toContain('my.yaml')
      expect(run()).not.toContain('cannot read the configuration')
      expect(readdirSync(folder)).toEqual(['my.yaml'])
    } finally {
      Bun.spawnSync(['rm', '-r', folder])
    }
  }, 20_000)
})
