/**
 * Commands to type, as the shells of each system read them.
 */
import { expect, test } from 'bun:test'
import { spawnSync } from 'node:child_process'
import { quoted } from '../../../scripts/terminal/quoted.ts'

const TEXTS = [
  'plain/path.yaml',
  'with space',
  "it's",
  'a "b" c',
  String.raw`back\slash and 'both'`,
  'two\nlines',
  '$HOME `x`',
]

test('a POSIX shell gives back what was quoted', () => {
  for (const text of TEXTS) {
    const { stdout } = spawnSync('bash', ['-c', `printf %s ${quoted(text, 'linux')}`], { encoding: 'utf8' })
    expect(stdout).toBe(text)
  }
})

test.each([
  ['plain/path.yaml', 'plain/path.yaml'],
  [String.raw`C:\models\mine`, String.raw`C:\models\mine`],
  [String.raw`C:\my models\mine`, String.raw`"C:\my models\mine"`],
  // Backslashes before the last quote are doubled, others stay.
  [String.raw`C:\my models` + '\\', String.raw`"C:\my models\\"`],
  ['a "b" c', String.raw`"a \"b\" c"`],
  ["it's", `"it's"`],
  ['two\r\nlines', '"two lines"'],
])('on Windows %p is %s', (text, expected) => {
  expect(quoted(text, 'win32')).toBe(expected)
})
