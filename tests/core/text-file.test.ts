import { describe, expect, test } from 'bun:test'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { TrituneError } from '../../core/errors.ts'
import { readTextFile } from '../../core/files/text-file.ts'
import { temporaryFolder } from '../_golden.ts'

function read(content: Uint8Array | string | 'folder' | null): string {
  using space = temporaryFolder()
  const path = join(space.path, 'f.yaml')
  if (content === 'folder') mkdirSync(path)
  else if (content !== null) writeFileSync(path, content)
  return readTextFile(path, { what: 'the configuration', remedy: 'name a YAML file' })
}

function complaint(content: Uint8Array | string | null): string {
  try {
    read(content)
  } catch (error) {
    if (error instanceof TrituneError && error.code === 'E_FILE') return error.message
    throw error
  }
  throw new Error('expected an error')
}

describe('readTextFile()', () => {
  test('reads UTF-8, with or without a byte order mark', () => {
    expect(read('a: ä\n')).toBe('a: ä\n')
    expect(read(Uint8Array.of(0xef, 0xbb, 0xbf, 0x61))).toBe('a')
    expect(read('')).toBe('')
  })

  test('says what is wrong with a file that is no text', () => {
    expect(complaint(null)).toContain('there is no such file')
    expect(complaint('folder')).toContain('this is a folder')
    expect(complaint(Uint8Array.of(0x61, 0, 0x62))).toContain('this is no text: byte 1 is 0')
    expect(complaint(Uint8Array.of(0xff, 0xfe, 0x61, 0))).toContain('it is in UTF-16')
    expect(complaint(Uint8Array.of(0x61, 0x0a, 0xe9, 0x0a))).toContain('line 2 is not UTF-8')
    expect(complaint(new Uint8Array(17 << 20).fill(0x61))).toContain('17825792 bytes')
  })
})
