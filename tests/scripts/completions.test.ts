/**
 * Completions: what bash offers at each place of a line, and that the scripts for the other shells have every word.
 */
import { describe, expect, test } from 'bun:test'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { bashCompletions } from '../../scripts/completions/bash.ts'
import { describeCommands } from '../../scripts/completions/command-words.ts'
import { COMMANDS } from '../../scripts/commands/table.ts'
import { temporaryFolder } from '../_golden.ts'
import { tritune } from './_command.ts'

const words = await describeCommands()

/** What bash would offer for the last word, by its own machinery. */
function offered(line: readonly string[], cwd?: string): string[] {
  const typed = line.map((word) => `'${word}'`).join(' ')
  const script = `${bashCompletions(words)}
COMP_WORDS=(tritune ${typed})
COMP_CWORD=${line.length}
_tritune
printf '%s\\n' "\${COMPREPLY[@]}"`
  const { stdout, stderr } = Bun.spawnSync(['bash', '--norc', '-c', script], { cwd })
  expect(stderr.toString()).toBe('')
  return stdout.toString().trimEnd().split('\n')
}

describe('in bash', () => {
  test('commands come first', () => {
    expect(offered([''])).toEqual([...COMMANDS.map(({ name }) => name), 'help', '--help', '--version'])
    expect(offered(['fi'])).toEqual(['finetune'])
    expect(offered(['help', 'me'])).toEqual(['merge'])
  })

  test('then the options of the command, and what they take', () => {
    expect(offered(['finetune', '--'])).toContain('--dry-run')
    expect(offered(['finetune', 'my.yaml', '--re'])).toEqual(['--resume'])
    expect(offered(['finetune', '--device', 'c'])).toEqual(['cpu', 'cuda'])
    expect(offered(['merge', '--dtype', ''])).toEqual(['f32', 'bf16'])
    expect(offered(['doctor', '--'])).toEqual(['--json', '--help'])
    expect(offered(['bench', 'ker'])).toEqual(['kernels'])
  })

  test('else files, also with spaces in their names', () => {
    using folder = temporaryFolder()
    mkdirSync(join(folder.path, 'runs'))
    writeFileSync(join(folder.path, 'runs/my file.yaml'), '')
    expect(offered(['finetune', 'runs/'], folder.path)).toEqual(['runs/my file.yaml'])
    expect(offered(['generate', '--adapter', 'ru'], folder.path)).toEqual(['runs'])
  })
})

test.each(['bash', 'zsh', 'fish'])('for %s have every command, option and choice', (shell) => {
  const { code, stdout } = tritune(['completions', shell])
  expect(code).toBe(0)
  for (const { name, options, choices } of words) {
    expect(stdout).toContain(name)
    for (const option of options)
      expect(stdout).toContain(shell === 'fish' ? `-l ${option.name} ` : `--${option.name}`)
    for (const choice of choices ?? []) expect(stdout).toContain(choice)
  }
})

test.each(['bash', 'zsh', 'fish'])(
  'for %s are a script that the shell takes, where it is installed',
  (shell) => {
    if (Bun.which(shell) === null) return expect(shell).not.toBe('bash')
    const { stdout } = tritune(['completions', shell])
    using folder = temporaryFolder()
    const file = join(folder.path, 'completions')
    writeFileSync(file, stdout)
    const { exitCode, stderr } = Bun.spawnSync([shell, '-n', file])
    expect([exitCode, stderr.toString()]).toEqual([0, ''])
  },
)

test('another shell is refused', () => {
  expect(tritune(['completions', 'bsh'])).toEqual({
    code: 2,
    stdout: '',
    stderr: 'error: there are no completions for "bsh"\n  → did you mean "bash" or "zsh" or "fish"?\n',
  })
})
