/**
 * The folder of a run that was stopped, where an adapter is asked for: each command names the newest checkpoint in it.
 */
import { afterAll, beforeAll, expect, test } from 'bun:test'
import { cpSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { attachLora, saveAdapter } from '../../plugins/peft/mod.ts'
import { loadModel } from '../../plugins/models/mod.ts'
import { temporaryFolder } from '../_golden.ts'
import { writeTinyModel } from '../_tiny.ts'
import { tritune } from './_command.ts'

const space = temporaryFolder()
const run = join(space.path, 'run')

afterAll(() => space[Symbol.dispose]())

beforeAll(() => {
  writeTinyModel(join(space.path, 'model'))
  {
    using model = loadModel(join(space.path, 'model'))
    using lora = attachLora(model, { rank: 2, alpha: 4, targetModules: ['q_proj'] })
    saveAdapter(join(run, 'checkpoint-5'), lora, { baseModel: join(space.path, 'model') })
  }
  cpSync(join(run, 'checkpoint-5'), join(run, 'checkpoint-20'), { recursive: true })
  // One that was not written whole.
  mkdirSync(join(run, 'checkpoint-30'))
  writeFileSync(join(space.path, 'text.txt'), 'A text.')
})

test.each<[string, string[]]>([
  ['serve', ['serve', 'model', '--adapter', 'x=run']],
  ['generate', ['generate', 'model', '--adapter', 'run', '--prompt', 'a']],
  ['evaluate --adapter', ['evaluate', 'model', '--adapter', 'run', '--task', 'text.txt']],
  ['evaluate', ['evaluate', 'run', '--task', 'text.txt']],
  ['merge', ['merge', 'model', 'run', 'merged']],
  ['export', ['export', 'run', 'out.gguf', '--to', 'gguf']],
  ['adapter inspect', ['adapter', 'inspect', 'run']],
])(
  '%s',
  (_, args) => {
    const { code, stderr } = tritune(args, { cwd: space.path })
    expect(code).toBe(1)
    expect(stderr).toContain('no adapter here')
    expect(stderr).toContain(`name its newest checkpoint, ${join('run', 'checkpoint-20')}\n`)
  },
  30_000,
)
