/**
 * The one command: what it lists, what it refuses, and that its table, the scripts of package.json and the help texts agree.
 */
import { describe, expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { showHelp } from '../../scripts/_cli.ts'
import { overview } from '../../scripts/_dispatch.ts'
import { adviseRuntime } from '../../scripts/_runtime.ts'
import { ROOT } from '../../scripts/_setup.ts'
import { optionLines } from '../../scripts/completions/command-words.ts'
import { COMMANDS, TOPICS } from '../../scripts/commands/table.ts'
import { RUNTIMES, tritune } from './_command.ts'

const { version, scripts }: { version: string; scripts: Record<string, string> } = JSON.parse(
  readFileSync(join(ROOT, 'package.json'), 'utf8'),
)

describe.each(RUNTIMES)('tritune in %s', (runtime) => {
  test('tells its version, its commands and the options of one', () => {
    expect(tritune(['--version'], { runtime })).toEqual({ code: 0, stdout: `${version}\n`, stderr: '' })
    const { code, stdout } = tritune([], { runtime })
    expect(code).toBe(0)
    expect(stdout).toMatch(/^ {2}finetune +fine-tune a model as a YAML file says$/m)
    const help = tritune(['help', 'merge'], { runtime })
    expect(help).toEqual(tritune(['merge', '--help'], { runtime }))
    expect(help.stdout).toContain('--max-shard <GB>')
  }, 30_000)

  test('refuses what it does not know, with the nearest name', () => {
    expect(tritune(['fintune', 'my.yaml'], { runtime })).toEqual({
      code: 2,
      stdout: '',
      stderr: 'error: there is no command "fintune"\n  → did you mean "finetune"?\n',
    })
    expect(tritune(['--json', 'doctor'], { runtime })).toMatchObject({ code: 2, stdout: '' })
    expect(tritune(['help', 'merge', 'generate'], { runtime })).toMatchObject({ code: 2, stdout: '' })
  }, 30_000)
})

test('every command has its topic, its line in the list and its script', () => {
  const list = overview()
  for (const { name, topic, summary } of COMMANDS) {
    expect(Object.keys(TOPICS)).toContain(topic)
    expect(list).toContain(`  ${name} `)
    expect(summary).toMatch(/^[^.]{10,75}$/)
    expect([name, scripts[name]]).toEqual([
      name,
      expect.stringMatching(new RegExp(`^bun scripts/(${name}\\.ts|tritune\\.ts ${name})$`)),
    ])
  }
  for (const path of list.match(/\S+\.md/g) ?? []) expect(() => readFileSync(join(ROOT, path))).not.toThrow()
})

test.each(COMMANDS.map(({ name }) => name))('the help of %s has every option, and no other', async (name) => {
  const command = await COMMANDS.find((entry) => entry.name === name)?.load()
  if (!command) throw new Error('not in the table')
  const described = [...optionLines(showHelp(command)).keys()]
  const hidden = name === 'doctor' ? ['probe'] : []
  expect(described.toSorted()).toEqual(
    [...Object.keys(command.options), 'help'].filter((option) => !hidden.includes(option)).toSorted(),
  )
})

describe('adviseRuntime()', () => {
  const node = (versions: string, env: Record<string, string> = {}): unknown =>
    adviseRuntime({ versions: { node: versions }, env })

  test('refuses a Node that is too old', () => {
    expect(node('20.20.2')).toMatchObject({ kind: 'refuse', message: expect.stringContaining('20.20.2') })
    expect(node('22.0.0')).toEqual({ kind: 'go' })
    expect(adviseRuntime({ versions: { node: '20.0.0', bun: '1.4.5' }, env: {} })).toEqual({ kind: 'go' })
  })

  test('gives Bun to who came with it', () => {
    const env = { npm_config_user_agent: 'bun/1.4.5 npm/? node/v26.3.0', npm_execpath: '/usr/bin/bun' }
    expect(node('24.0.0', env)).toEqual({ kind: 'start-bun', executable: '/usr/bin/bun' })
    const bunx = { ...env, npm_execpath: '/usr/lib/node_modules/bun/bin/bunx.exe' }
    expect(node('20.0.0', bunx)).toEqual({
      kind: 'start-bun',
      executable: '/usr/lib/node_modules/bun/bin/bun.exe',
    })
    expect(node('24.0.0', { ...env, npm_config_user_agent: 'npm/11.0.0' })).toEqual({ kind: 'go' })
  })
})
