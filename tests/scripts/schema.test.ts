import { expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { schemaOfFinetune } from '../../plugins/finetune/mod.ts'
import { temporaryFolder } from '../_golden.ts'
import { RUNTIMES, tritune } from './_command.ts'

test.each(RUNTIMES)('schema prints the JSON Schema of a run, or writes it, in %s', (runtime) => {
  using folder = temporaryFolder()
  const printed = tritune(['schema'], { runtime })
  expect([printed.code, printed.stderr]).toEqual([0, ''])
  expect(JSON.parse(printed.stdout)).toEqual(JSON.parse(JSON.stringify(schemaOfFinetune())))
  const written = tritune(['schema', '--out', 'run.json'], { runtime, cwd: folder.path })
  expect(written).toEqual({ code: 0, stdout: 'run.json\n', stderr: '' })
  expect(readFileSync(join(folder.path, 'run.json'), 'utf8')).toBe(printed.stdout)
  const wrong = tritune(['schema', 'more'], { runtime })
  expect(wrong.code).toBe(2)
})
