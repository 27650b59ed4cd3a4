/**
 * Options and arguments that commands refuse: one line that names the option as it is written, and exit code 2.
 */
import { expect, test } from 'bun:test'
import { join } from 'node:path'
import { ROOT } from '../../scripts/_setup.ts'

function refusal(script: string, ...given: string[]): string {
  const { exitCode, stderr } = Bun.spawnSync([process.execPath, join(ROOT, 'scripts', script), ...given], {
    stdin: 'ignore',
    stdout: 'pipe',
    stderr: 'pipe',
  })
  expect(exitCode).toBe(2)
  return stderr.toString()
}

test.each([
  ['--top-p', '2', 'a number above 0 and at most 1'],
  ['--top-p', '0', 'a number above 0 and at most 1'],
  ['--top-k', '-1', 'an integer from 0'],
  ['--top-k', '1.5', 'an integer from 0'],
  ['--temperature', '-.5', 'a number from 0'],
  ['--repetition-penalty', '0', 'a number above 0'],
  ['--max-new-tokens', '-3', 'an integer from 0'],
  ['--seed', '-1', 'an integer from 0'],
  ['--seed', 'x', 'an integer from 0'],
])('generate %s %s', (option, value, expected) => {
  expect(refusal('generate.ts', 'no-model', '--prompt', 'Hi', option, value)).toBe(
    `error: ${option}: expected ${expected}, got "${value}"\n`,
  )
})

test.each(['0', '-1', 'x'])('merge --max-shard %s', (value) => {
  expect(refusal('merge.ts', 'no-model', 'none', 'no-folder', '--max-shard', value)).toBe(
    `error: --max-shard: expected a number above 0, got "${value}"\n`,
  )
})

test('an empty prompt is not a missing one', () => {
  expect(refusal('generate.ts', 'no-model', '--prompt', '')).toStartWith('error: --prompt is empty\n')
  expect(refusal('generate.ts', 'no-model')).toStartWith('error: --prompt is missing\n')
})

test('what a command works on has to be named', () => {
  expect(refusal('finetune.ts')).toStartWith('error: name a YAML file\n')
  expect(refusal('generate.ts', '--prompt', 'Hi')).toStartWith('error: name a model')
})
