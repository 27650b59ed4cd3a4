/**
 * `finetune --json`: one object a line on stdout and nothing else, whatever the reader and the plugins do.
 */
import { describe, expect, test } from 'bun:test'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { contents, createSpace, type Space } from '../../stress/space.ts'
import { ROOT } from '../../../scripts/_setup.ts'
import { commandLine, RUNTIMES, type TestedRuntime, tritune } from '../_command.ts'

type Line = Readonly<Record<string, unknown>> & { readonly type: string }

function parseLines(text: string): Line[] {
  expect(text).toEndWith('\n')
  return text
    .slice(0, -1)
    .split('\n')
    .map((line) => JSON.parse(line))
}

/** Runs a line of bash in which RUN is the command. */
function shell(space: Space, line: string, runtime: TestedRuntime, ...args: string[]): number {
  const command = commandLine(runtime, args)
    .map((part) => `'${part}'`)
    .join(' ')
  const whole = `set -o pipefail; ${line.replace('RUN', `{ ${command}; echo $? > code; }`)}`
  Bun.spawnSync(['bash', '-c', whole], { cwd: space.path, stdin: 'ignore', timeout: 60_000 })
  return Number(readFileSync(join(space.path, 'code'), 'utf8'))
}

describe.each(RUNTIMES)('finetune --json in %s', (runtime) => {
  test('tells a run from its summary to its end', () => {
    using space = createSpace({ steps: 8 })
    const args = ['finetune', 'lora.yaml', '--json', '--set', 'output_dir=./out']
    const { code, stdout } = tritune(args, { cwd: space.path, runtime })
    expect(code).toBe(0)
    const lines = parseLines(stdout)
    const types = lines.map(({ type }) => type)
    expect(types.slice(0, 3)).toEqual(['summary', 'start', 'step'])
    expect(types.filter((type) => type === 'step')).toHaveLength(8)
    expect(new Set(types)).toEqual(new Set(['summary', 'start', 'step', 'save', 'eval', 'end']))
    for (const { time } of lines) expect(new Date(String(time)).toISOString()).toBe(String(time))
    expect(lines[0]).toMatchObject({
      baseModel: './model',
      adapter: 'lora',
      totalSteps: 8,
      examples: 12,
      validationExamples: 3,
      lines: expect.arrayContaining([expect.stringMatching(/^model +\.\/model/)]),
    })
    const steps = lines.filter(({ type }) => type === 'step')
    expect(steps[7]).toMatchObject({ report: { step: 8, totalSteps: 8, loss: expect.any(Number) } })
    const end = lines.at(-1)
    expect(end).toMatchObject({
      type: 'end',
      result: { steps: 8, stopped: false, outputDir: './out', best: { step: 8 } },
      command: expect.stringContaining(' generate ./model --adapter ./out '),
    })
    const again = tritune([...args, '--resume'], { cwd: space.path, runtime })
    expect(parseLines(again.stdout)).toMatchObject([
      { type: 'notice', text: expect.stringContaining('nothing to resume') },
      { type: 'end', result: null, command: null },
    ])
  }, 60_000)

  test('goes on when its reader stands still, went away or never was', () => {
    using space = createSpace({ steps: 400 })
    // More than a pipe holds; the reader starts when the run is finished.
    const still = 'RUN | { until [ -e still/finished.json ]; do sleep 0.02; done; cat > lines; }'
    const few = ['--set', 'save_steps=0', '--set', 'eval_steps=0', '--set', 'val_set_size=0']
    const run = (line: string, out: string, ...more: string[]): number =>
      shell(space, line, runtime, 'finetune', 'lora.yaml', '--json', '--set', `output_dir=./${out}`, ...more)
    expect(run(still, 'still', ...few)).toBe(0)
    const text = readFileSync(join(space.path, 'lines'), 'utf8')
    expect(text.length).toBeGreaterThan(70_000)
    expect(parseLines(text).filter(({ type }) => type === 'step')).toHaveLength(400)
    const short = [...few, '--set', 'max_steps=4']
    expect(run('RUN > all', 'whole', ...short)).toBe(0)
    const expected = contents(join(space.path, 'whole'))
    for (const [out, line] of Object.entries({
      head: 'RUN | head -1',
      full: 'RUN > /dev/full',
      closed: 'RUN >&- 2>&- <&-',
    })) {
      expect([out, run(line, out, ...short)]).toEqual([out, 0])
      expect(contents(join(space.path, out))).toEqual(expected)
    }
  }, 90_000)

  test('what a plugin prints does not come between', () => {
    using space = createSpace({ steps: 4 })
    writeFileSync(
      join(space.path, 'loud.ts'),
      `import { defineConfig, definePlugin } from '${ROOT}core/mod.ts'
import * as v from '${ROOT}node_modules/valibot/dist/index.mjs'
const loud = {
  name: 'loud',
  options: defineConfig(v.object({})),
  create: () => ({
    onEvent(event) {
      if (event.type !== 'step') return
      console.log('LOUD log')
      process.stdout.write('LOUD write\\n')
    },
  }),
}
const plugin = definePlugin({ name: 'loud', provides: { monitor: { loud } } })
export { plugin as default }
`,
    )
    const { code, stdout, stderr } = tritune(
      ['finetune', 'lora.yaml', '--json', '--set', 'plugins=[./loud.ts]', '--set', 'monitors=[loud]'],
      { cwd: space.path, runtime },
    )
    expect([code, parseLines(stdout).at(-1)?.type]).toEqual([0, 'end'])
    expect(stdout).not.toContain('LOUD')
    expect(stderr).toContain('LOUD log\nLOUD write\n')
  }, 30_000)
})

describe('errors', () => {
  const last = (space: Space, ...args: string[]): Line & { readonly exit: number } => {
    const { code, stdout } = tritune(['finetune', '--json', ...args], { cwd: space.path })
    const lines = parseLines(stdout)
    return { ...lines[lines.length - 1], exit: code }
  }

  test('are one object with code, what, where, remedy and the exit code', () => {
    using space = createSpace({ steps: 4 })
    writeFileSync(join(space.path, 'bad.yaml'), 'base_model: ./model\nlora_r: x\nadapter: lora\nfoo: 1\n')
    expect(last(space, 'bad.yaml')).toMatchObject({
      type: 'error',
      code: 'E_CONFIG',
      exitCode: 1,
      exit: 1,
      faults: expect.arrayContaining([
        {
          code: 'E_CONFIG',
          key: 'lora_r',
          what: 'expected an integer ≥ 1, got "x"',
          where: 'bad.yaml:2:1',
          remedy: null,
        },
        expect.objectContaining({ code: 'E_CONFIG_KEY', key: 'foo', where: 'bad.yaml:4:1' }),
      ]),
    })
    expect(last(space, 'lora.yaml', '--set', 'lora_r=0')).toMatchObject({
      faults: [{ key: 'lora_r', where: '--set lora_r' }],
    })
    expect(last(space, 'nothing.yaml')).toMatchObject({
      code: 'E_FILE',
      where: 'nothing.yaml',
      remedy: expect.stringContaining('name a YAML file'),
      exit: 1,
    })
  }, 30_000)

  test('of usage have the exit code 2', () => {
    using space = createSpace({ steps: 4 })
    expect(last(space)).toMatchObject({ code: 'E_USAGE', what: 'name a YAML file', exitCode: 2, exit: 2 })
    expect(last(space, 'lora.yaml', '--resme')).toMatchObject({
      what: 'unknown option --resme',
      remedy: expect.stringContaining('resume'),
      exit: 2,
    })
  }, 30_000)

  test('of a run come after what it told', () => {
    using space = createSpace({ steps: 4 })
    const { code, stdout } = tritune(
      ['finetune', 'lora.yaml', '--json', '--set', 'output_dir=./out', '--set', 'learning_rate=1e38'],
      { cwd: space.path },
    )
    const lines = parseLines(stdout)
    expect([code, lines[0].type, lines.at(-1)?.code]).toEqual([1, 'summary', 'E_NAN'])
    expect(lines.filter(({ type }) => type === 'error')).toHaveLength(1)
    expect(existsSync(join(space.path, 'out/finished.json'))).toBe(false)
  }, 30_000)
})

test('a stop by signal ends with what resumes it', async () => {
  using space = createSpace({ steps: 100_000 })
  const child = space.start('lora', 'out', ['--json', '--set', 'save_steps=0', '--set', 'eval_steps=0'])
  await child.until('"step":2,')
  child.process.kill('SIGTERM')
  const { code, output } = await child.ended
  expect(code).toBe(143)
  expect(output).toMatch(
    /"type":"end","result":\{"steps":\d+,"stopped":true.*"command":".* finetune lora\.yaml --set .*--resume"\}\n/,
  )
}, 30_000)
