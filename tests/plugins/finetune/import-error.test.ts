/**
 * Where a plugin's module failed, read from the stacks of the runtimes on each system.
 */
import { expect, test } from 'bun:test'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describeImportError } from '../../../plugins/finetune/plugins/import-error.ts'
import { temporaryFolder } from '../../_golden.ts'

function thrown(stack: string): Error {
  return Object.assign(new Error('it is broken'), { stack })
}

test('the line of the module, from paths and URLs', () => {
  using folder = temporaryFolder()
  const file = join(folder.path, 'mine.ts')
  writeFileSync(file, '')
  for (const place of [file, `file://${file}`]) {
    const error = thrown(`Error: it is broken\n    at run (${place}:3:7)\n    at node:internal/x:1:2`)
    expect(describeImportError(error, file)).toBe(`it is broken (${file}:3)`)
  }
})

test('paths of Windows have a drive, and their colon is no line', () => {
  const file = String.raw`C:\Users\me\mine.ts`
  const error = thrown(`Error: it is broken\n    at ${file}:12:34\n    at async run (D:/other/tool.ts:1:1)`)
  expect(describeImportError(error, file)).toBe(`it is broken (${file}:12)`)
})
