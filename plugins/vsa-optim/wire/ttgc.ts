/**
 * TTGC, the bytes around compressed tensors, little-endian:
 *
 *   0  `TTGC`   4 u8 version   5 u8 codec   6 u8 flags   7 u8 log₂ block   8 u32 round   12 u16 worker   14 u16 tensors   16 u64 seed
 *   24 u32 CRC-32C of what the tensors are and how each is sent   28 u32 CRC-32C of all other bytes
 *
 * then for each tensor, in the order of the names: u32 its place in that order, u32 its bytes, and these.
 */
import { TrituneError } from '../../../core/mod.ts'
import { CODEC_NAMES } from '../codecs/create-compressor.ts'
import { crc32c } from './crc32c.ts'

/** Bytes before the tensors, and before each. */
export const HEADER = 32
export const TENSOR_HEADER = 8

export const FLAGS = { rotation: 1, subset: 2, last: 4 } as const

/** What all messages of a codec share. */
export interface TtgcHeader {
  readonly codec: number
  readonly flags: number
  readonly log2Block: number
  readonly tensors: number
  readonly seed: number
  readonly hash: number
}

export function writeHeader(
  view: DataView,
  { codec, flags, log2Block, tensors, seed, hash }: TtgcHeader,
  { round, worker }: { readonly round: number; readonly worker: number },
): void {
  for (let i = 0; i < MAGIC.length; i++) view.setUint8(i, MAGIC.charCodeAt(i))
  for (const [i, byte] of [VERSION, codec, flags, log2Block].entries()) view.setUint8(4 + i, byte)
  view.setUint32(8, round, true)
  view.setUint16(12, worker, true)
  view.setUint16(14, tensors, true)
  view.setBigUint64(16, BigInt(seed), true)
  view.setUint32(24, hash, true)
}

export function writeTensorHeader(
  view: DataView,
  at: number,
  { id, length }: { readonly id: number; readonly length: number },
): void {
  view.setUint32(at, id, true)
  view.setUint32(at + 4, length, true)
}

/** Puts the checksum in; returns the message. */
export function seal<B extends Uint8Array>(message: B): B {
  viewOf(message).setUint32(CHECKSUM, checksumOf(message), true)
  return message
}

/** Throws E_FORMAT for what is no message, or one whose bytes have changed. */
export function expectUndamaged(message: Uint8Array): DataView {
  if (message.length < HEADER) throw damaged(`has ${message.length} bytes, the header alone has ${HEADER}`)
  const view = viewOf(message)
  const magic = String.fromCharCode(...message.subarray(0, MAGIC.length))
  if (magic !== MAGIC) throw damaged(`begins with ${JSON.stringify(magic)}, not with ${MAGIC}`)
  const said = view.getUint32(CHECKSUM, true)
  const found = checksumOf(message)
  if (said !== found) throw damaged(`has the checksum ${hex(found)}, and says that it is ${hex(said)}`)
  const version = view.getUint8(4)
  if (version !== VERSION)
    throw new TrituneError(
      'E_FORMAT',
      `the message is of version ${version} of TTGC, this tritune reads ${VERSION}`,
      {
        remedy: 'run the same version everywhere',
      },
    )
  return view
}

/** Throws E_FORMAT, or E_VALUE naming what is not as expected. */
export function expectHeader(
  view: DataView,
  header: TtgcHeader,
  round: number,
): { readonly worker: number; readonly isLast: boolean } {
  const flags = view.getUint8(6)
  const worker = view.getUint16(12, true)
  const pairs: readonly (readonly [string, unknown, unknown])[] = [
    ['codec', codecName(view.getUint8(5)), codecName(header.codec)],
    ['flags', flags & ~FLAGS.last, header.flags],
    ['log₂ block', view.getUint8(7), header.log2Block],
    ['round', view.getUint32(8, true), round],
    ['number of tensors', view.getUint16(14, true), header.tensors],
    ['seed', view.getBigUint64(16, true), BigInt(header.seed)],
    ['hash of tensors and settings', hex(view.getUint32(24, true)), hex(header.hash)],
  ]
  for (const [name, got, expected] of pairs)
    if (got !== expected)
      throw new TrituneError(
        'E_VALUE',
        `the message of worker ${worker} has ${name} ${String(got)}, expected ${String(expected)}`,
        {
          remedy:
            name === 'round'
              ? 'workers send one message a round, all of them the same rounds'
              : 'all workers have the same parameters, codec and seed',
        },
      )
  return { worker, isLast: (flags & FLAGS.last) !== 0 }
}

/** Throws E_FORMAT unless another tensor begins here, of that place and so many bytes, and ends in the message. */
export function expectTensorHeader(
  view: DataView,
  at: number,
  { id, name, length }: { readonly id: number; readonly name: string; readonly length: number },
): void {
  if (at + TENSOR_HEADER + length > view.byteLength)
    throw damaged(`ends before tensor ${name}, which has ${length} bytes`)
  const said = [view.getUint32(at, true), view.getUint32(at + 4, true)]
  if (said[0] !== id || said[1] !== length)
    throw damaged(`has tensor ${said[0]} of ${said[1]} bytes where ${name} is, tensor ${id} of ${length}`)
}

/** E_FORMAT. */
export function damaged(what: string): TrituneError {
  return new TrituneError('E_FORMAT', `a TTGC message ${what}`, {
    remedy: 'it was damaged on its way, or is of something else',
  })
}

// ---- helpers ----------------------------------------------------------------------------------------------------

const MAGIC = 'TTGC'
const VERSION = 1
const CHECKSUM = 28

function viewOf({ buffer, byteOffset, byteLength }: Uint8Array): DataView {
  return new DataView(buffer, byteOffset, byteLength)
}

/** Of all bytes but itself. */
function checksumOf(message: Uint8Array): number {
  return crc32c(message.subarray(HEADER), crc32c(message.subarray(0, CHECKSUM)))
}

function codecName(code: number): string {
  return CODEC_NAMES[code] ?? `number ${code}, which there is not`
}

function hex(value: number): string {
  return value.toString(16).padStart(8, '0')
}
