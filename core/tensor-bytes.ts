/**
 * The bytes of a tensor, piece by piece, for files: no copy of the whole is made.
 */
import { TrituneError } from './errors.ts'
import { DTYPES } from './dtype.ts'
import type { Tensor } from './tensor.ts'

const PIECE = 64 * 2 ** 20

/** Little-endian, row-major; pieces of at most 64 MiB that are valid until the next one is asked for. */
export function* tensorBytes(tensor: Tensor): Generator<Uint8Array> {
  const { storage, bytes, device } = tensor
  for (let start = 0; start < bytes; start += PIECE) {
    const length = Math.min(PIECE, bytes - start)
    if (storage.host) yield new Uint8Array(storage.host, tensor.offset + start, length)
    else if (device.read) yield device.read(tensor.address + start, length)
    else throw new TrituneError('E_DEVICE', `${device.name} cannot read its memory back`)
  }
}

/** Fills a tensor from bytes in its own dtype; E_SHAPE when the length does not fit. */
export function setTensorBytes(tensor: Tensor, bytes: Uint8Array): void {
  if (bytes.length !== tensor.bytes) {
    throw new TrituneError(
      'E_SHAPE',
      `${tensor.toString()} takes ${tensor.bytes} bytes (${DTYPES[tensor.dtype].bytes} an element), got ${bytes.length}`,
    )
  }
  if (tensor.storage.host) new Uint8Array(tensor.storage.host, tensor.offset, tensor.bytes).set(bytes)
  else if (tensor.device.write) tensor.device.write(tensor.address, bytes)
  else throw new TrituneError('E_DEVICE', `${tensor.device.name} cannot be written to`)
}
