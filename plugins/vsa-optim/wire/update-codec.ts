/**
 * UpdateCodec: all tensors of a layout to one TTGC message (wire/ttgc.ts) and back. Holds nothing between calls.
 */
import { createRandom, TrituneError } from '../../../core/mod.ts'
import { expectInteger } from '../../../core/tensor/expect.ts'
import type { GradientCompressor } from '../codecs/compressor.ts'
import { CODEC_NAMES, type CodecOptions, createCompressor } from '../codecs/create-compressor.ts'
import { crc32c } from './crc32c.ts'
import {
  damaged,
  expectHeader,
  expectTensorHeader,
  expectUndamaged,
  FLAGS,
  HEADER,
  seal,
  TENSOR_HEADER,
  type TtgcHeader,
  writeHeader,
  writeTensorHeader,
} from './ttgc.ts'
import type { LaidTensor, UpdateLayout } from './update-layout.ts'

/** Who sends, and when. */
export interface UpdatePlace {
  readonly round: number
  /** Its rank, from 0. */
  readonly worker: number
  /** Nothing comes after it. */
  readonly isLast?: boolean
}

/** What a message said. */
export interface ReceivedUpdate {
  readonly worker: number
  readonly isLast: boolean
  readonly update: Float32Array<ArrayBuffer>
}

/** A message that is undamaged and of this round, and whose numbers have not been read. */
export interface OpenUpdate {
  readonly worker: number
  readonly isLast: boolean
  /** The numbers of a tensor, by its place in the layout, over what is in `into`. Throws E_FORMAT for numbers that are never written. */
  read(id: number, into: Float32Array): void
}

/** Updates to messages and back, the same bytes for the same update and place. */
export interface UpdateCodec {
  readonly layout: UpdateLayout
  readonly options: CodecOptions
  /** Of every message, headers included. */
  readonly bytes: number
  /** Throws E_SHAPE for another length, E_NAN for a number that is not finite, with the name of its tensor. `said`: where to put what the message says. */
  encode(update: Float32Array, place: UpdatePlace, said?: Float32Array): Uint8Array<ArrayBuffer>
  /** Throws E_FORMAT for damaged bytes, E_VALUE for a message of another round, codec, seed or set of tensors. */
  open(message: Uint8Array, round: number): OpenUpdate
  /** All of it, with the errors of `open()` and of what is read. */
  decode(message: Uint8Array, round: number): ReceivedUpdate
}

/**
 * A codec for all tensors of a layout. Each tensor has a seed of its own, made of `seed`.
 *
 * @example
 * ```ts
 * import { updateCodec, updateLayout } from 'tritune/plugins/vsa-optim'
 *
 * const layout = updateLayout(new Map([['w', { shape: [64, 128] }]]))
 * const codec = updateCodec(layout, { codec: 'int8' })
 * const update = Float32Array.from({ length: layout.length }, (_, i) => Math.sin(i))
 * const message = codec.encode(update, { round: 0, worker: 3 })
 * const arrived = codec.decode(message, 0)
 * console.log(message.length, arrived.worker, arrived.update[5].toFixed(2)) // → 8236 3 -0.96
 * ```
 */
export function updateCodec(layout: UpdateLayout, options: CodecOptions, seed = 0): UpdateCodec {
  expectInteger('updateCodec', 'seed', seed, { max: Number.MAX_SAFE_INTEGER })
  const { tensors } = layout
  if (tensors.length > 0xffff)
    throw new TrituneError('E_SHAPE', `a message has at most 65535 tensors, got ${tensors.length}`)
  const parts = tensors.map((tensor): Part => {
    const compressor = createCompressor(options, tensor.shape, createRandom(seed, tensor.name).uint32())
    return { ...tensor, compressor, bytes: compressor.bytesOf(tensor.size) }
  })
  const header: TtgcHeader = {
    codec: CODEC_NAMES.indexOf(options.codec),
    flags: flagsOf(parts),
    log2Block: Math.log2(parts[0].compressor.block),
    tensors: parts.length,
    seed,
    hash: hashOf(parts),
  }
  const bytes = parts.reduce((sum, part) => sum + TENSOR_HEADER + part.bytes, HEADER)
  const open = (message: Uint8Array, round: number): OpenUpdate => {
    const view = expectUndamaged(message)
    const { worker, isLast } = expectHeader(view, header, round)
    let at = HEADER
    const payloads = parts.map(({ name, bytes: length }, id) => {
      expectTensorHeader(view, at, { id, name, length })
      at += TENSOR_HEADER + length
      return message.subarray(at - length, at)
    })
    if (at !== message.length) throw damaged(`has ${message.length - at} bytes behind its last tensor`)
    return {
      worker,
      isLast,
      read(id, into) {
        const { name, compressor } = parts[id]
        placing(name, () => compressor.read(payloads[id], into, round))
      },
    }
  }
  return {
    layout,
    options,
    bytes,
    encode(update, { round, worker, isLast = false }, said) {
      expectInteger('updateCodec', 'round', round, { max: 0xffffffff })
      expectInteger('updateCodec', 'worker', worker, { max: 0xffff })
      if (update.length !== layout.length)
        throw new TrituneError(
          'E_SHAPE',
          `the update has ${update.length} numbers, the layout ${layout.length}`,
        )
      const message = new Uint8Array(bytes)
      const view = new DataView(message.buffer)
      writeHeader(view, { ...header, flags: header.flags | (isLast ? FLAGS.last : 0) }, { round, worker })
      let at = HEADER
      for (const [id, { name, start, size, compressor, bytes: length }] of parts.entries()) {
        writeTensorHeader(view, at, { id, length })
        const payload = message.subarray(at + TENSOR_HEADER, at + TENSOR_HEADER + length)
        placing(name, () => {
          compressor.write(update.subarray(start, start + size), payload, round)
          if (said) compressor.read(payload, said.subarray(start, start + size), round)
        })
        at += TENSOR_HEADER + length
      }
      return seal(message)
    },
    open,
    decode(message, round) {
      const { worker, isLast, read } = open(message, round)
      const update = new Float32Array(layout.length)
      for (const [id, { start, size }] of parts.entries()) read(id, update.subarray(start, start + size))
      return { worker, isLast, update }
    },
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

interface Part extends LaidTensor {
  readonly compressor: GradientCompressor
  readonly bytes: number
}

function flagsOf([{ compressor }]: readonly Part[]): number {
  return (compressor.codec === 'vsa' ? FLAGS.rotation : 0) | (compressor.ratio < 1 ? FLAGS.subset : 0)
}

function hashOf(parts: readonly Part[]): number {
  const told = parts.map(({ name, shape, compressor: { codec, block, ratio, rank } }) => [
    name,
    shape,
    codec,
    block,
    ratio,
    rank,
  ])
  return crc32c(new TextEncoder().encode(JSON.stringify(told)))
}

/** What a tensor is refused for is told with its name. */
function placing<T>(name: string, work: () => T): T {
  try {
    return work()
  } catch (error) {
    if (!(error instanceof TrituneError)) throw error
    const { code, what, remedy } = error
    throw new TrituneError(code, what, {
      place: `tensor ${name}`,
      cause: error,
      ...(remedy ? { remedy } : {}),
    })
  }
}
