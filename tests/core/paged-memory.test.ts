/**
 * Memory that lies in a file: it keeps what is written, takes no memory while it rests, and leaves nothing on the disk.
 */
import { expect, test } from 'bun:test'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { openPagedMemory, type PagedMemory } from '../../core/files/paged-memory.ts'
import { openScratchFile } from '../../core/files/scratch-file.ts'
import { canMapFiles } from '../../core/native/map-file.ts'
import { readAhead } from '../../core/native/read-ahead.ts'
import { TrituneError } from '../../core/mod.ts'
import { temporaryFolder } from '../_golden.ts'

const MIB = 2 ** 20

function opened(folder: string): PagedMemory {
  const pages = openPagedMemory(join(folder, 'pages'), 'free some space')
  if (!pages) throw new Error('files cannot be mapped here')
  return pages
}

test.skipIf(!canMapFiles())('what is written stays, also while it rests', () => {
  using folder = temporaryFolder()
  using pages = opened(folder.path)
  const [a, b] = [pages.allocate(1), pages.allocate(3 * MIB)]
  expect([a.host?.byteLength, b.host?.byteLength]).toEqual([65536, 3 * MIB])
  expect(a.address % 4096).toBe(0)
  expect(pages.bytes).toBe(65536 + 3 * MIB)
  const values = new Uint32Array(b.host ?? new ArrayBuffer())
  expect(values.every((value) => value === 0)).toBe(true)
  for (let i = 0; i < values.length; i++) values[i] = i * 2654435761
  pages.rest()
  expect(values.every((value, i) => value === (i * 2654435761) >>> 0)).toBe(true)
  b.free()
  b.free()
  expect(pages.bytes).toBe(65536)
  if (process.platform !== 'win32') expect(readdirSync(folder.path)).toEqual([])
})

test.skipIf(process.platform !== 'linux')('what rests takes no memory of the process', () => {
  using folder = temporaryFolder()
  using pages = opened(folder.path)
  const { host } = pages.allocate(64 * MIB)
  new Uint8Array(host ?? new ArrayBuffer()).fill(7)
  const used = process.memoryUsage().rss
  pages.rest()
  expect(used - process.memoryUsage().rss).toBeGreaterThan(48 * MIB)
})

test('a scratch file is written and read at any place', () => {
  using folder = temporaryFolder()
  {
    using file = openScratchFile(join(folder.path, 'a/b/scratch'), 'free some space')
    file.write(Uint8Array.of(4, 5), 2)
    file.write(Uint8Array.of(1, 2, 3), 0)
    const back = new Uint8Array(4)
    file.announce(0, 4)
    file.read(back, 0)
    expect([...back]).toEqual([1, 2, 3, 5])
    expect(readAhead(file.fd, 0, 4)).toBe(process.platform === 'linux')
    expect(readAhead(file.fd, 0, 0)).toBe(false)
  }
  expect(readdirSync(join(folder.path, 'a/b'))).toEqual([])
})

test('a scratch file where none can be is an error that names the place', () => {
  expect(() => openScratchFile('/dev/null/scratch', '')).toThrow(TrituneError)
})
