import { afterAll, describe, expect, test } from 'bun:test'
import {
  closeSync,
  ftruncateSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openCheckpoint } from '../../core/files/checkpoint.ts'
import { TrituneError } from '../../core/errors.ts'
import { openSafetensors, readEntry, tensorDType } from '../../core/files/safetensors.ts'
import type { TensorSource } from '../../core/files/safetensors-write.ts'
import { writeSafetensors, writeSharded } from '../../core/files/safetensors-write.ts'

const golden = join(import.meta.dir, '../golden/safetensors')
const folder = mkdtempSync(join(tmpdir(), 'tritune-safetensors-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** A file with this header and this many data bytes. */
function craft(header: unknown, dataBytes: number, { lie = 0 }: { lie?: number } = {}): string {
  const text = new TextEncoder().encode(typeof header === 'string' ? header : JSON.stringify(header))
  const bytes = new Uint8Array(8 + text.length + dataBytes)
  new DataView(bytes.buffer).setBigUint64(0, BigInt(text.length + lie), true)
  bytes.set(text, 8)
  const path = join(folder, `crafted-${Math.random().toString(36).slice(2)}.safetensors`)
  writeFileSync(path, bytes)
  return path
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

/** The tensors of a golden file as sources, in the order given by `order`. */
function sources(path: string, order?: readonly string[]): TensorSource[] {
  const { entries } = openSafetensors(path)
  const names = order ?? [...entries.keys()]
  return names.map((name) => {
    const entry = entries.get(name)
    if (entry === undefined) throw new Error(name)
    return { name, dtype: tensorDType(entry), shape: entry.shape, chunks: () => [readEntry(entry)] }
  })
}

describe('openSafetensors()', () => {
  test('reads a file of the reference implementation', () => {
    const file = openSafetensors(join(golden, 'mixed.safetensors'))
    expect(file.metadata).toEqual({ format: 'pt' })
    expect([...file.entries.keys()].toSorted()).toEqual(
      ['a.brain', 'a.bytes', 'b.half', 'empty', 'scalar', 'signed', 'z.float', 'é.int'].toSorted(),
    )
    const entry = file.entries.get('z.float')!
    expect(entry).toMatchObject({ dtype: 'f32', storedDType: 'F32', shape: [2, 2], bytes: 16 })
    expect([...new Float32Array(readEntry(entry).buffer)]).toEqual([1, 2, 3, -4.5])
    expect(file.entries.get('scalar')!.shape).toEqual([])
    expect(file.entries.get('empty')).toMatchObject({ shape: [0, 4], bytes: 0 })
    expect([...readEntry(file.entries.get('a.bytes')!, { offset: 1 })]).toEqual([2, 255])
  })

  test('keeps foreign dtypes and refuses them as tensors', () => {
    const { entries } = openSafetensors(join(golden, 'unsupported.safetensors'))
    const entry = entries.get('long')!
    expect(entry).toMatchObject({ dtype: undefined, storedDType: 'I64', bytes: 16 })
    expect([...new BigInt64Array(readEntry(entry).buffer)]).toEqual([1n, 2n])
    const error = failure(() => tensorDType(entry))
    expect(error.code).toBe('E_DTYPE')
    expect(error.message).toContain('tensor "long"')
  })

  const f32 = (begin: number, end: number, shape: number[] = [(end - begin) / 4]) => ({
    dtype: 'F32',
    shape,
    data_offsets: [begin, end],
  })
  const malformed: [string, unknown, number, RegExp][] = [
    ['no JSON', '{"a": ', 0, /not valid JSON/],
    ['no object', '[1]', 0, /not a JSON object/],
    ['an unknown dtype', { a: { ...f32(0, 8), dtype: 'F99' } }, 8, /tensor "a".*unknown dtype "F99"/],
    ['a dtype of the prototype', { a: { ...f32(0, 8), dtype: 'toString' } }, 8, /unknown dtype/],
    ['overlapping tensors', { a: f32(0, 8), b: f32(4, 12) }, 12, /tensor "b".*overlaps/],
    ['a hole', { a: f32(0, 8), b: f32(12, 16) }, 16, /tensor "b".*hole of 4 bytes/],
    ['a hole at the start', { a: f32(4, 8) }, 8, /hole of 4/],
    ['bytes of no tensor', { a: f32(0, 8) }, 12, /belong to no tensor/],
    ['a tensor that leaves the file', { a: f32(0, 16) }, 12, /tensor "a".*ends at byte/],
    ['a shape that lies', { a: f32(0, 8, [3]) }, 8, /tensor "a".*needs 12 bytes.*gives it 8/],
    ['a huge shape', { a: f32(0, 8, [2 ** 40, 2 ** 40]) }, 8, /needs/],
    ['a negative size', { a: f32(0, 8, [-2]) }, 8, /not an array of sizes/],
    ['a fractional size', { a: f32(0, 8, [0.5, 4]) }, 8, /not an array of sizes/],
    ['reversed offsets', { a: { dtype: 'F32', shape: [2], data_offsets: [8, 0] } }, 8, /data_offsets/],
    ['no offsets', { a: { dtype: 'F32', shape: [2] } }, 8, /data_offsets/],
    ['metadata of numbers', { __metadata__: { a: 1 } }, 0, /__metadata__\.a/],
  ]
  test.each(malformed)('refuses %s', (_, header, dataBytes, message) => {
    const path = craft(header, dataBytes)
    const error = failure(() => openSafetensors(path))
    expect(error.code).toBe('E_FORMAT')
    expect(error.message).toMatch(message)
    expect(error.message).toContain(path)
  })

  test('refuses a header that claims more than the file has', () => {
    expect(failure(() => openSafetensors(craft({ a: f32(0, 8) }, 8, { lie: 1000 }))).message).toMatch(
      /header claims/,
    )
    const tiny = join(folder, 'tiny.safetensors')
    writeFileSync(tiny, 'abc')
    expect(failure(() => openSafetensors(tiny)).message).toMatch(/too few/)
  })

  test('names a missing file', () => {
    const error = failure(() => openSafetensors(join(folder, 'none.safetensors')))
    expect(error.code).toBe('E_FILE')
    expect(error.message).toMatch(/none\.safetensors: cannot open: no such file/)
  })

  test('accepts a header with a tensor named like an object property', () => {
    const path = craft('{"__proto__":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}', 1)
    expect([...openSafetensors(path).entries.keys()]).toEqual(['__proto__'])
  })

  test('takes metadata of null for none, as mlx writes it', () => {
    const path = craft('{"__metadata__":null,"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}', 1)
    expect(openSafetensors(path)).toMatchObject({ metadata: {} })
  })

  test('reads tensors beyond 4 GiB', () => {
    const big = 4 * 2 ** 30 + 64
    const header = JSON.stringify({
      pad: { dtype: 'U8', shape: [big], data_offsets: [0, big] },
      end: { dtype: 'U8', shape: [4], data_offsets: [big, big + 4] },
    })
    const path = join(folder, 'sparse.safetensors')
    const fd = openSync(path, 'w')
    const head = new Uint8Array(8 + header.length)
    new DataView(head.buffer).setBigUint64(0, BigInt(header.length), true)
    head.set(new TextEncoder().encode(header), 8)
    writeSync(fd, head)
    ftruncateSync(fd, head.length + big + 4)
    writeSync(fd, new Uint8Array([9, 8, 7, 6]), 0, 4, head.length + big)
    closeSync(fd)
    const { entries } = openSafetensors(path)
    expect([...readEntry(entries.get('end')!)]).toEqual([9, 8, 7, 6])
    expect([...readEntry(entries.get('pad')!, { offset: big - 2 })]).toEqual([0, 0])
    expect(failure(() => readEntry(entries.get('pad')!, { offset: big - 2, bytes: 3 })).code).toBe('E_SHAPE')
    rmSync(path)
  })
})

describe('writeSafetensors()', () => {
  test('writes the bytes of the reference implementation', () => {
    const path = join(folder, 'mixed.safetensors')
    writeSafetensors(path, sources(join(golden, 'mixed.safetensors')).toReversed(), { format: 'pt' })
    expect(readFileSync(path)).toEqual(readFileSync(join(golden, 'mixed.safetensors')))
  })

  test('leaves the old file and no temporary one when a tensor fails', () => {
    const inner = mkdtempSync(join(folder, 'fail-'))
    const path = join(inner, 'a.safetensors')
    writeFileSync(path, 'old')
    const wrong = (chunks: () => Iterable<Uint8Array>): TensorSource[] => [
      { name: 'w', dtype: 'f32', shape: [2], chunks },
    ]
    const short = failure(() =>
      writeSafetensors(
        path,
        wrong(() => [new Uint8Array(7)]),
      ),
    )
    expect(short.code).toBe('E_SHAPE')
    expect(short.message).toMatch(/tensor "w".*it gave 7 bytes[^]*exactly 8 bytes/)
    expect(
      failure(() =>
        writeSafetensors(
          path,
          wrong(() => [new Uint8Array(7), new Uint8Array(9)]),
        ),
      ).message,
    ).toMatch(/more than 8/)
    const broken = function* (): Generator<Uint8Array> {
      yield new Uint8Array(4)
      throw new Error('the device is gone')
    }
    expect(() => writeSafetensors(path, wrong(broken))).toThrow('the device is gone')
    expect(readdirSync(inner)).toEqual(['a.safetensors'])
    expect(readFileSync(path, 'utf8')).toBe('old')
  })

  test('refuses a name used twice', () => {
    const tensor: TensorSource = { name: 'w', dtype: 'u8', shape: [1], chunks: () => [new Uint8Array(1)] }
    expect(failure(() => writeSafetensors(join(folder, 'twice'), [tensor, tensor])).message).toMatch(
      /"w" is used twice/,
    )
  })
})

describe('writeSharded()', () => {
  const order = ['w1', 'w0', 'w3', 'w2', 'w4']
  const all = (): TensorSource[] => {
    const { entries } = openCheckpoint(join(golden, 'sharded'))
    return order.map((name) => {
      const entry = entries.get(name)!
      return { name, dtype: tensorDType(entry), shape: entry.shape, chunks: () => [readEntry(entry)] }
    })
  }

  test('splits as huggingface_hub does', () => {
    const out = join(folder, 'sharded')
    const names = writeSharded(out, all(), { maxShardBytes: 48 })
    expect(names.toSorted()).toEqual(readdirSync(join(golden, 'sharded')).toSorted())
    for (const name of names.filter((n) => n.endsWith('.safetensors'))) {
      expect(readFileSync(join(out, name))).toEqual(readFileSync(join(golden, 'sharded', name)))
    }
    const index = JSON.parse(readFileSync(join(out, 'model.safetensors.index.json'), 'utf8'))
    const wanted = JSON.parse(readFileSync(join(golden, 'sharded/model.safetensors.index.json'), 'utf8'))
    expect(index.weight_map).toEqual(wanted.weight_map)
    expect(index.metadata).toEqual({ total_parameters: 38, total_size: 152 })
  })

  test('replaces an earlier save of another shape', () => {
    const out = join(folder, 'again')
    writeSharded(out, all(), { maxShardBytes: 48 })
    expect(writeSharded(out, all())).toEqual(['model.safetensors'])
    expect(readdirSync(out)).toEqual(['model.safetensors'])
    writeSharded(out, all(), { maxShardBytes: 100 })
    expect(readdirSync(out).toSorted()).toEqual([
      'model-00001-of-00002.safetensors',
      'model-00002-of-00002.safetensors',
      'model.safetensors.index.json',
    ])
    expect([...openCheckpoint(out).entries.keys()].toSorted()).toEqual(order.toSorted())
  })
})

describe('openCheckpoint()', () => {
  function shardedCopy(change: (index: { weight_map: Record<string, string> }) => void): string {
    const out = mkdtempSync(join(folder, 'copy-'))
    for (const name of readdirSync(join(golden, 'sharded'))) {
      writeFileSync(join(out, name), readFileSync(join(golden, 'sharded', name)))
    }
    const path = join(out, 'model.safetensors.index.json')
    const index = JSON.parse(readFileSync(path, 'utf8'))
    change(index)
    writeFileSync(path, JSON.stringify(index))
    return out
  }

  test('opens shards as one set of tensors', () => {
    const checkpoint = openCheckpoint(join(golden, 'sharded'))
    expect(checkpoint.bytes).toBe(152)
    const entry = checkpoint.entries.get('w2')!
    expect([...new Float32Array(checkpoint.read(entry).buffer)]).toEqual([3, 3, 3, 3])
    expect([...new Float32Array(checkpoint.read(entry, 4, 8).buffer)]).toEqual([3, 3])
  })

  test('opens one file, and a folder with one file', () => {
    expect(openCheckpoint(join(golden, 'mixed.safetensors')).entries.size).toBe(8)
  })

  test('refuses a shard outside the folder', () => {
    for (const evil of ['../mixed.safetensors', '/etc/passwd', '..\\x.safetensors', 'a/../b', '..']) {
      const error = failure(() => openCheckpoint(shardedCopy((index) => (index.weight_map['w0'] = evil))))
      expect(error.code).toBe('E_FORMAT')
      expect(error.message).toContain('not a plain file name')
    }
  })

  test('names a missing shard', () => {
    const out = shardedCopy(() => {})
    rmSync(join(out, 'model-00003-of-00004.safetensors'))
    expect(failure(() => openCheckpoint(out)).message).toMatch(
      /shard model-00003-of-00004\.safetensors is missing/,
    )
  })

  test('names a tensor that is not where the index says, or not in the index', () => {
    const moved = shardedCopy((index) => (index.weight_map['w0'] = 'model-00001-of-00004.safetensors'))
    expect(failure(() => openCheckpoint(moved)).message).toMatch(/tensor "w0" is in model-00001/)
    const dropped = shardedCopy((index) => delete index.weight_map['w3'])
    expect(failure(() => openCheckpoint(dropped)).message).toMatch(/tensor "w3" of .* is not in the index/)
  })

  test('says what a folder without weights lacks', () => {
    const empty = mkdtempSync(join(folder, 'empty-'))
    expect(failure(() => openCheckpoint(empty)).message).toMatch(/neither model\.safetensors nor/)
    writeFileSync(join(empty, 'pytorch_model.bin'), '')
    expect(failure(() => openCheckpoint(empty)).message).toMatch(/safe_serialization/)
  })
})
