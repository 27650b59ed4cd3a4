/**
 * Errors of the operating system in words, and what killed writers leave.
 */
import { describe, expect, test } from 'bun:test'
import { appendFileSync, existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { TrituneError } from '../../core/errors.ts'
import { copyFileAtomic, writeFileAtomic, writeFolderAtomicSync } from '../../core/files/atomic.ts'
import { fileError } from '../../core/files/files.ts'
import { recoverLeftovers } from '../../core/files/leftovers.ts'
import { temporaryFolder } from '../_golden.ts'

function systemError(code: string, text: string): Error {
  return Object.assign(new Error(`${code}: ${text}, write`), { code, errno: -1, syscall: 'write' })
}

function failure(work: () => unknown): TrituneError {
  try {
    work()
  } catch (error) {
    if (error instanceof TrituneError) return error
    throw error
  }
  throw new Error('it did not fail')
}

describe('fileError()', () => {
  test('on Windows it says what is meant there', () => {
    const say = (code: string, path: string, platform: string): string =>
      fileError(systemError(code, 'operation not permitted'), path, 'cannot write', platform).message
    for (const code of ['EPERM', 'EACCES', 'EBUSY'])
      expect(say(code, '/out/x', 'win32')).toContain(
        'permission denied, or a program has it open\n  → close what',
      )
    expect(say('EPERM', '/out/x', 'linux')).not.toContain('open')
    const long = `/${'a'.repeat(300)}`
    for (const code of ['ENOENT', 'ENAMETOOLONG'])
      expect(say(code, long, 'win32')).toContain(
        'the path has 301 characters, more than the 259 that Windows takes\n  → use a shorter path, or switch long paths on',
      )
    expect(say('ENOENT', long, 'linux')).toContain('no such file or folder')
    expect(say('ENOENT', '/out/x', 'win32')).toContain('no such file or folder')
    expect(say('ENOSPC', '/out/x', 'win32')).toContain('no space left')
  })

  test.each([
    ['ENOSPC', 'E_DISK', 'no space left', 'free some space'],
    ['EDQUOT', 'E_DISK', 'quota is used up', 'free some space'],
    ['EFBIG', 'E_DISK', 'too large for this disk', 'free some space'],
    ['EROFS', 'E_FILE', 'the disk is read-only', 'choose another folder'],
    ['ENOENT', 'E_FILE', 'no such file or folder', 'check the path'],
    ['EACCES', 'E_FILE', 'permission denied', 'check who owns the path'],
    ['EPERM', 'E_FILE', 'permission denied', 'check who owns the path'],
    ['EMFILE', 'E_FILE', 'too many open files', 'ulimit -n'],
    ['EIO', 'E_FILE', 'input/output error', 'check the disk'],
    ['EISDIR', 'E_FILE', 'it is a folder', ''],
    ['ENAMETOOLONG', 'E_FILE', 'the name is too long', 'choose a shorter one'],
    ['ESTALE', 'E_FILE', 'the network folder went away', 'mount it again'],
    ['EXDEV', 'E_FILE', 'cross-device link (EXDEV)', ''],
  ] as const)('%s', (code, expected, what, remedy) => {
    const error = fileError(systemError(code, 'cross-device link'), '/out/x', 'cannot write')
    if (!(error instanceof TrituneError)) throw error
    expect(error.code).toBe(expected)
    expect(error.message).toStartWith('/out/x: cannot write: ')
    expect(error.message).toContain(what)
    expect(error.remedy ?? '').toContain(remedy)
    if (expected === 'E_FILE') expect(error.message).not.toContain('space')
  })

  test('mistakes of the program pass unchanged', () => {
    const bug = new TypeError('x is not a function')
    expect(fileError(bug, '/out/x', 'cannot write')).toBe(bug)
    const argument = Object.assign(new TypeError('wrong'), { code: 'ERR_INVALID_ARG_TYPE' })
    expect(fileError(argument, '/out/x', 'cannot write')).toBe(argument)
  })

  test('is what writers throw for real failures', () => {
    using folder = temporaryFolder()
    const { path } = folder
    writeFileSync(join(path, 'file'), '')
    expect(failure(() => writeFileAtomic(join(path, 'x'.repeat(300)), '')).message).toContain(
      'name is too long',
    )
    expect(failure(() => writeFileAtomic(join(path, 'file/x'), '')).message).toContain(
      'is a file, not a folder',
    )
    expect(failure(() => writeFileAtomic(`${path}/a\0b`, '')).message).toContain('NUL character')
    expect(failure(() => writeFolderAtomicSync(`${path}/a\0b`, () => {})).message).toContain('a\\0b')
    expect(failure(() => writeFileAtomic(path, '')).code).toBe('E_FILE')
    expect(failure(() => copyFileAtomic(join(path, 'none'), join(path, 'to'))).message).toContain(
      'none: cannot read',
    )
    expect(failure(() => copyFileAtomic(path, join(path, 'to'))).message).toContain('it is a folder')
    expect(failure(() => writeFileAtomic('/proc/version', '')).code).toBe('E_FILE')
  })
})

describe('writeFolderAtomicSync()', () => {
  test('removes what dead processes of this host left beside it, under any name, and nothing else', () => {
    using folder = temporaryFolder()
    const { path } = folder
    const dead = Bun.spawnSync([process.execPath, '-e', ''])
    const leftover = (host: string, pid: number): string => `.other.tmp-${host}-${pid}-x1`
    const kept = [leftover(hostname(), process.pid), leftover('elsewhere', dead.pid), '.git', 'other']
    for (const name of [leftover(hostname(), dead.pid), ...kept]) mkdirSync(join(path, name))
    writeFolderAtomicSync(join(path, 'mine'), (temporary) => writeFileSync(join(temporary, 'a'), ''))
    expect(readdirSync(path).toSorted()).toEqual([...kept, 'mine'].toSorted())
  })
})

describe('recoverLeftovers()', () => {
  const OLD = '.checkpoint-3.old-host-with-dash.example-77-abc12'

  test('puts back what was moved aside, and removes the rest, of any process', () => {
    using folder = temporaryFolder()
    const { path } = folder
    const make = (name: string, content: string): void => {
      mkdirSync(join(path, name))
      writeFileSync(join(path, name, content), '')
    }
    make(OLD, 'whole')
    make('checkpoint-6', 'new')
    make(`.checkpoint-6.old-elsewhere-${process.pid}-x1`, 'before')
    make(`.checkpoint-9.tmp-elsewhere-${process.pid}-x2`, 'half')
    make('.merged.tmp-elsewhere-1-x3', 'of another command')
    make('.git', 'own')
    writeFileSync(join(path, '.metrics.jsonl.tmp-elsewhere-1-x4'), '')
    const isOurs = (name: string): boolean => /^(checkpoint-\d+|metrics\.jsonl)$/.test(name)
    expect(recoverLeftovers(path, isOurs)).toEqual(['checkpoint-3'])
    expect(readdirSync(path).toSorted()).toEqual([
      '.git',
      '.merged.tmp-elsewhere-1-x3',
      'checkpoint-3',
      'checkpoint-6',
    ])
    expect(readdirSync(join(path, 'checkpoint-3'))).toEqual(['whole'])
    expect(readdirSync(join(path, 'checkpoint-6'))).toEqual(['new'])
    expect(recoverLeftovers(path, isOurs)).toEqual([])
  })

  test('of two that were moved aside the later one is put back', async () => {
    using folder = temporaryFolder()
    const { path } = folder
    for (const name of ['first', 'second']) {
      mkdirSync(join(path, `.checkpoint-3.old-host-1-${name}`))
      appendFileSync(join(path, `.checkpoint-3.old-host-1-${name}`, name), '')
      await Bun.sleep(20)
    }
    recoverLeftovers(path, () => true)
    expect(existsSync(join(path, 'checkpoint-3/second'))).toBe(true)
    expect(readdirSync(path)).toEqual(['checkpoint-3'])
  })
})
