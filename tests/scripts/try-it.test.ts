/**
 * The command that a finished run prints: only the plugins that the result needs, and an opening that a person would write.
 */
import { expect, test } from 'bun:test'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT } from '../../scripts/_setup.ts'
import { createSpace, type Space } from '../stress/space.ts'

function tryIt(space: Space, file: string): string {
  const { exitCode, stdout } = Bun.spawnSync(
    [process.execPath, join(ROOT, 'scripts/finetune.ts'), file, '--set', 'output_dir=./out'],
    { cwd: space.path, stdin: 'ignore', stdout: 'pipe', stderr: 'pipe' },
  )
  expect(exitCode).toBe(0)
  return stdout.toString().split('try it:\n')[1].trim()
}

test('leaves out plugins that only train, and special tokens', () => {
  using space = createSpace({ steps: 1 })
  const record = JSON.stringify({ text: `<|start|>3 4 5 6 7 8 9` })
  writeFileSync(join(space.path, 'data.jsonl'), `${record}\n`.repeat(15))
  const command = tryIt(space, 'strategy.yaml')
  expect(command).toMatch(/^bun .*scripts\/tritune\.ts generate \.\/model --adapter \.\/out --prompt '?3 /)
})
