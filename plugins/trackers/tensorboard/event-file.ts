/**
 * Event files of TensorBoard: TFRecords of `Event` messages. Fields by tensorflow/core/util/event.proto, framework/summary.proto and framework/tensor.proto.
 */
import { appendFileSync, mkdirSync, writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { dirname, join } from 'node:path'
import { fileError } from '../../../core/files/files.ts'
import { maskedCrc32c } from './crc32c.ts'
import { protoWriter, type ProtoWriter } from './proto-writer.ts'

/** A histogram as TensorBoard takes it. */
export interface EventHistogram {
  readonly min: number
  readonly max: number
  readonly count: number
  readonly sum: number
  readonly sumOfSquares: number
  /** Upper borders of the bins. */
  readonly limits: readonly number[]
  readonly counts: readonly number[]
}

/** A file that is appended to. */
export interface EventFile {
  scalars(step: number, values: Readonly<Record<string, number>>): void
  text(step: number, tag: string, text: string): void
  histogram(step: number, tag: string, histogram: EventHistogram): void
}

/**
 * Makes a new file in a folder. What files before it have of steps above `step` is not shown any more: a resumed run makes those steps again.
 *
 * @throws E_FILE, E_DISK
 */
export function createEventFile(folder: string, step = 0): EventFile {
  const now = Date.now()
  // Unlike those of before: names sort by time, and TensorBoard reads them in that order.
  const path = join(
    folder,
    `events.out.tfevents.${Math.floor(now / 1000)}.${hostname()}.${process.pid}.${step}`,
  )
  const append = (write: (event: ProtoWriter) => void): void => {
    const event = protoWriter().double(1, Date.now() / 1000)
    write(event)
    try {
      appendFileSync(path, record(event.done()))
    } catch (error) {
      throw fileError(error, path, 'cannot append')
    }
  }
  const value = (at: number, write: (inner: ProtoWriter) => void): void =>
    append((event) => event.varint(2, at).message(5, (summary) => summary.message(1, write)))
  try {
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, new Uint8Array())
  } catch (error) {
    throw fileError(error, path, 'cannot create')
  }
  append((event) => event.text(3, 'brain.Event:2'))
  // SessionLog START.
  append((event) => event.varint(2, step + 1).message(7, (session) => session.varint(1, 1)))
  return {
    scalars(at, values) {
      append((event) =>
        event.varint(2, at).message(5, (summary) => {
          for (const [tag, number] of Object.entries(values))
            summary.message(1, (inner) => inner.text(1, tag).float(2, number))
        }),
      )
    },
    text: (at, tag, text) =>
      value(at, (inner) =>
        inner
          .text(1, tag)
          .message(8, (tensor) =>
            tensor
              .varint(1, DT_STRING)
              .message(2, (shape) => shape.message(2, (dimension) => dimension.varint(1, 1)))
              .text(8, text),
          )
          .message(9, (metadata) => metadata.message(1, (plugin) => plugin.text(1, 'text'))),
      ),
    histogram: (at, tag, { min, max, count, sum, sumOfSquares, limits, counts }) =>
      value(at, (inner) =>
        inner
          .text(1, tag)
          .message(5, (histogram) =>
            histogram
              .double(1, min)
              .double(2, max)
              .double(3, count)
              .double(4, sum)
              .double(5, sumOfSquares)
              .doubles(6, limits)
              .doubles(7, counts),
          ),
      ),
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

const DT_STRING = 7

/** Length, its sum, the data, its sum. */
function record(data: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(data.length + 16)
  const view = new DataView(bytes.buffer)
  view.setBigUint64(0, BigInt(data.length), true)
  view.setUint32(8, maskedCrc32c(bytes.subarray(0, 8)), true)
  bytes.set(data, 12)
  view.setUint32(12 + data.length, maskedCrc32c(data), true)
  return bytes
}
