/**
 * The GGUF format, version 3, written: metadata, then tensors that are described first and made one after the other. The file appears
 * whole or not at all. Knows no models; see write-model.ts.
 * Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
 */
import { writeStreamAtomic } from '../../core/files/atomic.ts'
import { TrituneError } from '../../core/errors.ts'
import { type GgufMetadata, type GgufTypedValue, type GgufValueType, isList } from './typed-values.ts'
import type { GgmlType } from './types.ts'

/** A tensor to be written; `chunks` is called once, when its turn comes, and gives its blocks in row-major order. */
export interface GgufTensorSource {
  readonly name: string
  readonly type: GgmlType
  /** Row-major: the file has it the other way round. */
  readonly shape: readonly number[]
  chunks(): Iterable<Uint8Array>
}

/** What is written: metadata in its order, tensors in theirs. */
export interface GgufContent {
  readonly metadata: GgufMetadata
  readonly tensors: readonly GgufTensorSource[]
}

const ALIGNMENT = 32
/** Of ggml. */
const LONGEST_NAME = 63
const TYPE_CODES: Readonly<Record<GgufValueType, number>> = {
  u32: 4,
  i32: 5,
  f32: 6,
  bool: 7,
  string: 8,
  u64: 10,
}
const ARRAY = 9

/**
 * Writes a GGUF file. Nothing is left behind when it fails.
 *
 * @throws E_SHAPE when a tensor has a part of a block or gives more or fewer bytes than its shape says; E_FORMAT for names that are
 * used twice or too long; E_DISK; E_FILE; and what `chunks` throws
 * @example
 * ```ts
 * import { ggmlType, openGguf, quantize, typed, writeGguf } from 'tritune/plugins/gguf'
 *
 * const rows = new Float32Array(64).fill(0.5)
 * writeGguf('my-tensors.gguf', {
 *   metadata: new Map([['general.architecture', typed('none')]]),
 *   tensors: [{ name: 'x', type: ggmlType('Q8_0'), shape: [2, 32], chunks: () => [quantize(ggmlType('Q8_0'), rows, 'x')] }],
 * })
 * console.log(openGguf('my-tensors.gguf').tensors.get('x')?.bytes) // → 68
 * ```
 */
export function writeGguf(path: string, { metadata, tensors }: GgufContent): void {
  writeStreamAtomic(path, fileChunks(path, metadata, tensors))
}

/** Bytes that a tensor takes. E_SHAPE when its rows are not whole blocks. */
export function ggufTensorBytes({
  name,
  type,
  shape,
}: Pick<GgufTensorSource, 'name' | 'type' | 'shape'>): number {
  const row = shape.at(-1) ?? 1
  if (row % type.blockElements !== 0)
    throw new TrituneError(
      'E_SHAPE',
      `rows of ${row} are not whole blocks of ${type.blockElements} (${type.name})`,
      {
        place: `tensor "${name}"`,
      },
    )
  return (shape.reduce((product, size) => product * size, 1) / type.blockElements) * type.blockBytes
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function* fileChunks(
  path: string,
  metadata: GgufMetadata,
  tensors: readonly GgufTensorSource[],
): Generator<Uint8Array> {
  const head = encodeHead(path, metadata, tensors)
  yield head
  yield padding(head.length)
  for (const tensor of tensors) {
    const expected = ggufTensorBytes(tensor)
    let got = 0
    for (const chunk of tensor.chunks()) {
      got += chunk.length
      if (got > expected) break
      yield chunk
    }
    if (got !== expected)
      throw new TrituneError(
        'E_SHAPE',
        `it gave ${got > expected ? 'more than ' : ''}${Math.min(got, expected)} bytes`,
        {
          place: `${path}: tensor "${tensor.name}"`,
          remedy: `shape [${tensor.shape.join(', ')}] of ${tensor.type.name} needs exactly ${expected} bytes`,
        },
      )
    yield padding(expected)
  }
}

function padding(bytes: number): Uint8Array {
  return new Uint8Array((ALIGNMENT - (bytes % ALIGNMENT)) % ALIGNMENT)
}

function encodeHead(path: string, metadata: GgufMetadata, tensors: readonly GgufTensorSource[]): Uint8Array {
  const out = createEncoder()
  out.u32(0x46554747)
  out.u32(3)
  out.u64(tensors.length)
  out.u64(metadata.size)
  for (const [key, value] of metadata) {
    out.string(key)
    encodeValue(out, key, value)
  }
  const names = new Set<string>()
  let offset = 0
  for (const tensor of tensors) {
    const { name, shape, type } = tensor
    const place = `${path}: tensor "${name}"`
    if (names.has(name)) throw new TrituneError('E_FORMAT', 'the name is used twice', { place })
    if (new TextEncoder().encode(name).length > LONGEST_NAME)
      throw new TrituneError('E_FORMAT', `llama.cpp reads names of at most ${LONGEST_NAME} bytes`, { place })
    names.add(name)
    out.string(name)
    out.u32(shape.length)
    for (const size of shape.toReversed()) out.u64(size)
    out.u32(type.id)
    out.u64(offset)
    const bytes = ggufTensorBytes(tensor)
    offset += bytes + padding(bytes).length
  }
  return out.bytes()
}

function encodeValue(out: Encoder, key: string, { type, value }: GgufTypedValue): void {
  if (isList(value)) {
    out.u32(ARRAY)
    out.u32(TYPE_CODES[type])
    out.u64(value.length)
    for (const one of value) encodeScalar(out, key, type, one)
  } else {
    out.u32(TYPE_CODES[type])
    encodeScalar(out, key, type, value)
  }
}

function encodeScalar(out: Encoder, key: string, type: GgufValueType, value: unknown): void {
  if (type === 'string' && typeof value === 'string') out.string(value)
  else if (type === 'bool' && typeof value === 'boolean') out.u8(value ? 1 : 0)
  else if (type === 'u64' && typeof value === 'bigint') out.u64(value)
  else if (type === 'u64' && Number.isSafeInteger(value)) out.u64(Number(value))
  else if (type === 'f32' && typeof value === 'number') out.f32(value)
  else if (type === 'u32' && Number.isInteger(value) && Number(value) >= 0 && Number(value) < 2 ** 32)
    out.u32(Number(value))
  else if (type === 'i32' && Number.isInteger(value) && Math.abs(Number(value)) < 2 ** 31)
    out.i32(Number(value))
  else
    throw new TrituneError('E_FORMAT', `${String(value)} is no ${type}`, { place: `metadata key "${key}"` })
}

interface Encoder {
  u8(value: number): void
  u32(value: number): void
  i32(value: number): void
  f32(value: number): void
  u64(value: number | bigint): void
  string(value: string): void
  bytes(): Uint8Array
}

/** Little-endian, into a buffer that doubles. */
function createEncoder(): Encoder {
  const encoder = new TextEncoder()
  let buffer = new Uint8Array(1 << 16)
  let view = new DataView(buffer.buffer)
  let length = 0
  const reserve = (bytes: number): number => {
    const at = length
    length += bytes
    if (length > buffer.length) {
      const larger = new Uint8Array(Math.max(2 * buffer.length, length))
      larger.set(buffer.subarray(0, at))
      buffer = larger
      view = new DataView(buffer.buffer)
    }
    return at
  }
  // The place comes first: making room may change the buffer.
  const put = (bytes: number, write: (at: number) => void): void => write(reserve(bytes))
  const u64 = (value: number | bigint): void => put(8, (at) => view.setBigUint64(at, BigInt(value), true))
  return {
    u8: (value) => put(1, (at) => view.setUint8(at, value)),
    u32: (value) => put(4, (at) => view.setUint32(at, value, true)),
    i32: (value) => put(4, (at) => view.setInt32(at, value, true)),
    f32: (value) => put(4, (at) => view.setFloat32(at, value, true)),
    u64,
    string(value) {
      const bytes = encoder.encode(value)
      u64(bytes.length)
      const at = reserve(bytes.length)
      buffer.set(bytes, at)
    },
    bytes: () => buffer.subarray(0, length),
  }
}
