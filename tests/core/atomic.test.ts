import { afterAll, describe, expect, test } from 'bun:test'
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import { writeAll } from '../../core/files/files.ts'
import {
  recoverFolder,
  writeFileAtomic,
  writeFolderAtomic,
  writeFolderAtomicSync,
  writeStreamAtomic,
} from '../../core/files/atomic.ts'
import { TrituneError } from '../../core/errors.ts'

const root = mkdtempSync(join(tmpdir(), 'tritune-atomic-'))
afterAll(() => rmSync(root, { recursive: true, force: true }))
const fresh = (): string => mkdtempSync(join(root, 't-'))

describe('writeFileAtomic()', () => {
  test('writes text and bytes, and makes the folder', () => {
    const path = join(fresh(), 'deep/er/a.txt')
    writeFileAtomic(path, 'grüß')
    expect(readFileSync(path, 'utf8')).toBe('grüß')
    writeFileAtomic(path, new Uint8Array([1, 2]))
    expect([...readFileSync(path)]).toEqual([1, 2])
  })

  test('reports a path that cannot be written', () => {
    const folder = fresh()
    writeFileSync(join(folder, 'file'), '')
    expect(() => writeFileAtomic(join(folder, 'file/x'), 'a')).toThrow(TrituneError)
  })

  test('shows the old content until the new one is complete', () => {
    const path = join(fresh(), 'a')
    writeFileAtomic(path, 'old')
    const seen: string[] = []
    writeStreamAtomic(
      path,
      (function* () {
        yield new Uint8Array([65])
        seen.push(readFileSync(path, 'utf8'))
        yield new Uint8Array([66])
      })(),
    )
    expect(seen).toEqual(['old'])
    expect(readFileSync(path, 'utf8')).toBe('AB')
  })
})

test.skipIf(!existsSync('/dev/full'))('writeAll() turns a full disk into E_DISK with a remedy', () => {
  const fd = openSync('/dev/full', 'w')
  try {
    writeAll(fd, new Uint8Array(10), '/out/model.safetensors')
    throw new Error('it did not fail')
  } catch (error) {
    if (!(error instanceof TrituneError)) throw error
    expect(error.code).toBe('E_DISK')
    expect(error.message).toMatch(/model\.safetensors: cannot write: no space left[^]*free some space/)
  } finally {
    closeSync(fd)
  }
})

describe('writeFolderAtomic()', () => {
  test('creates, then replaces a folder', async () => {
    const parent = fresh()
    const path = join(parent, 'ckpt')
    await writeFolderAtomic(path, async (temporary) => {
      await Promise.resolve()
      writeFileSync(join(temporary, 'a'), '1')
    })
    writeFolderAtomicSync(path, (temporary) => {
      mkdirSync(join(temporary, 'sub'))
      writeFileSync(join(temporary, 'sub/b'), '2')
      expect(readdirSync(path)).toEqual(['a'])
    })
    expect(readdirSync(path)).toEqual(['sub'])
    expect(readdirSync(parent)).toEqual(['ckpt'])
  })

  test('keeps the old folder and removes its own when filling fails', async () => {
    const parent = fresh()
    const path = join(parent, 'ckpt')
    writeFolderAtomicSync(path, (temporary) => writeFileSync(join(temporary, 'a'), '1'))
    const half = (temporary: string): void => {
      writeFileSync(join(temporary, 'half'), '')
      throw new Error('killed')
    }
    expect(() => writeFolderAtomicSync(path, half)).toThrow('killed')
    await expect(writeFolderAtomic(path, async (temporary) => half(temporary))).rejects.toThrow('killed')
    expect(readdirSync(path)).toEqual(['a'])
    expect(readdirSync(parent)).toEqual(['ckpt'])
  })

  test('removes what a killed process left, and nothing of a living one', () => {
    const parent = fresh()
    const path = join(parent, 'ckpt')
    const dead = `.ckpt.tmp-${hostname()}-999999999-abc`
    const alive = `.ckpt.tmp-${hostname()}-${process.pid}-abc`
    mkdirSync(join(parent, dead))
    mkdirSync(join(parent, alive))
    writeFolderAtomicSync(path, () => {})
    expect(readdirSync(parent).toSorted()).toEqual([alive, 'ckpt'].toSorted())
  })

  test('recoverFolder() puts back a folder that was only moved aside', () => {
    const parent = fresh()
    const path = join(parent, 'ckpt')
    writeFolderAtomicSync(path, (temporary) => writeFileSync(join(temporary, 'a'), '1'))
    expect(recoverFolder(path)).toBe(false)
    renameSync(path, join(parent, `.ckpt.old-${hostname()}-1-x`))
    expect(recoverFolder(path)).toBe(true)
    expect(readdirSync(path)).toEqual(['a'])
  })
})
