/**
 * The bytes of a tensor, piece by piece, for files and other devices: no copy of the whole is made.
 */
import { TrituneError } from '../errors.ts'
import { DTYPES } from './dtype.ts'
import type { ArrayView, Device } from '../contracts/device.ts'

const PIECE = 64 * 2 ** 20

/** What is needed of a tensor to reach its bytes. */
interface ByteHolder extends ArrayView {
  readonly device: Device
  readonly storage: { readonly host: ArrayBuffer | null }
  /** Bytes from the start of the storage. */
  readonly offset: number
  toString(): string
}

/** Little-endian, row-major; pieces of at most 64 MiB that are valid until the next one is asked for. */
export function* tensorBytes(tensor: ByteHolder): Generator<Uint8Array> {
  const { storage, bytes, device } = tensor
  for (let start = 0; start < bytes; start += PIECE) {
    const length = Math.min(PIECE, bytes - start)
    if (storage.host) yield new Uint8Array(storage.host, tensor.offset + start, length)
    else if (device.read) yield device.read(tensor.address + start, length)
    else throw new TrituneError('E_DEVICE', `${device.name} cannot read its memory back`)
  }
}

/** Fills a tensor from bytes in its own dtype; E_SHAPE when the length does not fit. */
export function setTensorBytes(tensor: ByteHolder, bytes: Uint8Array): void {
  if (bytes.length !== tensor.bytes) {
    throw new TrituneError(
      'E_SHAPE',
      `${tensor.toString()} takes ${tensor.bytes} bytes (${DTYPES[tensor.dtype].bytes} an element), got ${bytes.length}`,
    )
  }
  writeBytes(tensor, 0, bytes)
}

/** Fills a tensor from what `read` puts into each piece, which starts at byte `start` of the tensor. */
export function fillTensor(tensor: ByteHolder, read: (piece: Uint8Array, start: number) => void): void {
  const { storage, bytes, offset } = tensor
  for (let start = 0; start < bytes; start += PIECE) {
    const length = Math.min(PIECE, bytes - start)
    const piece = storage.host ? new Uint8Array(storage.host, offset + start, length) : new Uint8Array(length)
    read(piece, start)
    if (!storage.host) writeBytes(tensor, start, piece)
  }
}

/** Copies the elements of `source` to `target`, from whatever device to whatever device; same dtype and size. */
export function copyElements(target: ByteHolder, source: ByteHolder): void {
  if (target.dtype !== source.dtype || target.bytes !== source.bytes)
    throw new TrituneError('E_SHAPE', `${source.toString()} cannot be copied to ${target.toString()}`)
  const { device } = target
  if (device === source.device && device.copy) device.copy(target.address, source.address, target.bytes)
  else {
    let start = 0
    for (const piece of tensorBytes(source)) {
      writeBytes(target, start, piece)
      start += piece.length
    }
  }
}

function writeBytes(
  { storage, device, offset, address }: ByteHolder,
  start: number,
  bytes: Uint8Array,
): void {
  if (storage.host) new Uint8Array(storage.host, offset + start, bytes.length).set(bytes)
  else if (device.write) device.write(address + start, bytes)
  else throw new TrituneError('E_DEVICE', `${device.name} cannot be written to`)
}
