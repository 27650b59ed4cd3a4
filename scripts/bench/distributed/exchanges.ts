/**
 * What an exchange costs, of every way to make one: bytes over the measured links, and the reading and writing of messages.
 */
import { createRandom } from '../../../core/mod.ts'
import { type Link, sumSeconds } from '../../../plugins/distributed/mod.ts'
import { type UpdateLayout, updateLayout, updateWorker } from '../../../plugins/vsa-optim/mod.ts'
import { seconds } from '../_measure.ts'

/** How processes learn together. */
export interface Way {
  readonly name: string
  /** Steps between two exchanges. */
  readonly every: number
  /** `ring`: f32 sums. `all`: ternary, every message to every process. `hops`: ternary in two hops, as `twoHopWorker` has it. */
  readonly by: 'ring' | 'all' | 'hops'
}

export const WAYS: readonly Way[] = [
  { name: 'every step', every: 1, by: 'ring' },
  { name: 'every 5, dense', every: 5, by: 'ring' },
  { name: 'every 5, ternary to all', every: 5, by: 'all' },
  { name: 'every 5, ternary in two hops', every: 5, by: 'hops' },
]

/** Seconds to write and to read a message, and its bytes. */
export interface Coding {
  readonly encode: number
  readonly decode: number
  readonly bytes: number
}

/** What an exchange is of. */
export interface ExchangeFacts {
  readonly processes: number
  readonly gradientBytes: number
  readonly link: Link
  readonly coding: Coding
}

/** Seconds of one. Alone, a process has nothing to say. */
export function exchangeSeconds(
  { by }: Way,
  { processes, gradientBytes, link, coding }: ExchangeFacts,
): number {
  if (processes === 1) return 0
  const { encode, decode, bytes } = coding
  switch (by) {
    case 'ring':
      return sumSeconds(processes, gradientBytes, link)
    case 'all': {
      const received = ((processes - 1) * bytes) / link.bytesPerSecond
      return encode + processes * decode + received + Math.ceil(Math.log2(processes)) * link.latencySeconds
    }
    // Of what a process owns it reads all messages, which is one message's worth, writes the mean, and reads the means of all.
    case 'hops':
      return encode + decode + encode / processes + decode + sumSeconds(processes, bytes, link)
    default:
      return by satisfies never
  }
}

/** Of so many numbers, in ternary; the least of many rounds, as the machine may have other work. */
export function measureCoding(numbers: number): Coding {
  const layout: UpdateLayout = updateLayout(new Map([['w', { shape: [numbers] }]]))
  using worker = updateWorker({ layout, worker: 0, workers: 1, codec: 'ternary' })
  const random = createRandom(1, 'coding')
  const update = Float32Array.from({ length: numbers }, () => random.normal())
  const [writing, reading]: [number[], number[]] = [[], []]
  for (let round = 0; round < WARM_UP + ROUNDS; round++) {
    let message = new Uint8Array()
    const written = seconds(() => {
      message = worker.send(update)
    })
    const read = seconds(() => worker.receive([message]))
    if (round < WARM_UP) continue
    writing.push(written)
    reading.push(read)
  }
  return { encode: Math.min(...writing), decode: Math.min(...reading), bytes: worker.messageBytes() }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

const WARM_UP = 10
const ROUNDS = 30
