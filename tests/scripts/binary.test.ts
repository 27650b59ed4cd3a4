/** What a binary carries, how it is unpacked, and what becomes of damage on the way. Making one takes a build: `bun run rehearse:binary`. */
import { describe, expect, test } from 'bun:test'
import { existsSync, mkdirSync, readdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { zstdCompressSync } from 'node:zlib'
import { binaryContents } from '../../scripts/binary/contents.ts'
import { isUnpacked, packFiles, unpackFiles } from '../../scripts/binary/payload.ts'
import { unpacked } from '../../scripts/binary/start.ts'
import { temporaryFolder } from '../_golden.ts'

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
const FILES = [
  { path: 'node_modules/a/x.js', bytes: bytes('export const x = 1') },
  { path: 'node_modules/b/empty', bytes: bytes('') },
  { path: 'ünï/ä.bin', bytes: Uint8Array.of(0, 255, 10) },
]

function write(root: string, files: Readonly<Record<string, string>>): void {
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true })
    writeFileSync(join(root, path), text)
  }
}

describe('a payload', () => {
  test('gives back what was put in', () => {
    using folder = temporaryFolder()
    const payload = packFiles(FILES, 1)
    unpackFiles(payload, folder.path)
    for (const { path, bytes: expected } of FILES)
      expect(new Uint8Array(readFileSync(join(folder.path, path)))).toEqual(new Uint8Array(expected))
    expect(isUnpacked(payload, folder.path)).toBe(true)
    writeFileSync(join(folder.path, FILES[0].path), '')
    expect(isUnpacked(payload, folder.path)).toBe(false)
  })

  test.each([
    ['cut off', packFiles(FILES, 1).slice(0, -6)],
    ['another format', bytes('not zstd at all')],
    [
      'shorter than its index says',
      zstdCompressSync(Buffer.concat([Uint8Array.of(9, 0, 0, 0), bytes('[["a",5]]')])),
    ],
    ['without an index', zstdCompressSync(Buffer.concat([Uint8Array.of(2, 0, 0, 0), bytes('{}')]))],
    ['a path outside', packFiles([{ path: '../x', bytes: bytes('') }], 1)],
    ['an absolute path', packFiles([{ path: '/x', bytes: bytes('') }], 1)],
  ])('%s is an error, and nothing is written', (_, payload) => {
    using folder = temporaryFolder()
    const inside = join(folder.path, 'in')
    expect(() => unpackFiles(payload, inside)).toThrow(/damaged/)
    expect(readdirSync(folder.path)).toEqual([])
  })
})

describe('unpacked()', () => {
  const payload = packFiles(FILES, 1)

  test('unpacks once, and again where a file was lost when the machine stopped', () => {
    using root = temporaryFolder()
    const folder = join(root.path, 'cache/1')
    let reads = 0
    const read = (): Uint8Array => (reads++, payload)
    expect(unpacked(folder, read)).toBe(folder)
    unpacked(folder, read)
    expect(reads).toBe(1)
    const lost = join(folder, FILES[0].path)
    writeFileSync(lost, '')
    // From before the machine was started.
    utimesSync(folder, 1, 1)
    unpacked(folder, read)
    expect(readFileSync(lost, 'utf8')).toBe('export const x = 1')
    utimesSync(folder, 1, 1)
    unpacked(folder, read)
    expect(existsSync(join(folder, 'checked'))).toBe(true)
    const before = reads
    unpacked(folder, read)
    expect(reads).toBe(before)
    expect(readdirSync(join(root.path, 'cache'))).toEqual(['1'])
  })

  test('says what to do where nothing can be written', () => {
    using root = temporaryFolder()
    writeFileSync(join(root.path, 'file'), '')
    expect(() => unpacked(join(root.path, 'file/1'), () => payload)).toThrow(/TRITUNE_CACHE/)
  })
})

test('it carries the package, the libraries of one platform, and what they import, without types', () => {
  using root = temporaryFolder()
  write(root.path, {
    'dist/tritune/package.json':
      '{"dependencies":{"yaml":"1"},"peerDependencies":{"few":"1","gone":"1","mitata":"1"}}',
    'dist/tritune/scripts/tritune.js': '',
    'dist/tritune/mod.d.ts': '',
    'dist/tritune/mod.js.map': '',
    'dist/tritune/docs/a.md': '',
    'dist/@tritune/linux-x64/package.json': '{}',
    'dist/@tritune/linux-arm64/package.json': '{}',
    'node_modules/yaml/package.json': '{"dependencies":{"deep":"1"}}',
    'node_modules/yaml/README.md': '',
    'node_modules/deep/package.json': '{"dependencies":{"yaml":"1"}}',
    'node_modules/deep/src/index.ts': '',
    'node_modules/few/package.json': '{}',
    'node_modules/mitata/package.json': '{}',
    'node_modules/other/package.json': '{}',
  })
  const options = { dist: `${root.path}/dist/`, root: root.path, platform: 'linux-x64' }
  expect(binaryContents(options).map(({ path }) => path.replace('node_modules/', ''))).toEqual([
    '@tritune/linux-x64/package.json',
    'deep/package.json',
    'deep/src/index.ts',
    'few/package.json',
    'tritune/docs/a.md',
    'tritune/package.json',
    'tritune/scripts/tritune.js',
    'yaml/package.json',
  ])
  expect(() => binaryContents({ ...options, dist: `${root.path}/none/` })).toThrow(/bun run build/)
})
