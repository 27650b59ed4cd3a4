/**
 * What coding takes, of every codec, for the trained weights of the bundled model: to write a message and to read one, and all that one of four workers does in
 * a round: it adds what waits, writes, remembers the rest, reads the messages of all and takes the mean.
 */
import { createRandom } from '../../../core/mod.ts'
import { loadModel } from '../../../plugins/models/mod.ts'
import { attachLora } from '../../../plugins/peft/mod.ts'
import {
  CODEC_NAMES,
  type CodecOptions,
  updateCodec,
  updateLayout,
  type UpdateLayout,
  updateWorker,
} from '../../../plugins/vsa-optim/mod.ts'
import { median, seconds } from '../_measure.ts'
import type { Row } from '../_topic.ts'

const WORKERS = 4
/** Of all four workers; the compiler has seen the loops by then. */
const WARM_UP = { quick: 1, full: 12 }
const ROUNDS = { quick: 1, full: 25 }

/** Names are `coding, ternary: write`, `: read` and `: a round of 4 workers`. */
export function codingRows(
  base: string,
  isAsked: (row: { readonly name: string }) => boolean,
  quick = false,
): Row[] {
  const asked = CODEC_NAMES.filter((codec) => PARTS.some((part) => isAsked({ name: nameOf(codec, part) })))
  if (asked.length === 0) return []
  const layout = layoutOf(base)
  const length = quick ? 'quick' : 'full'
  return asked.flatMap((codec) => rowsOf(codec, measured({ codec }, layout, length), layout)).filter(isAsked)
}

// ---- helpers ----------------------------------------------------------------------------------------------------

const PARTS = ['write', 'read', `a round of ${WORKERS} workers`] as const

function nameOf(codec: string, part: (typeof PARTS)[number]): string {
  return `coding, ${codec}: ${part}`
}

function layoutOf(base: string): UpdateLayout {
  using model = loadModel(base)
  using adapter = attachLora(model, { rank: 16, alpha: 32, targetModules: 'all-linear' })
  return updateLayout(adapter.parameters)
}

/** Seconds of one message, and of a round of one worker; medians, as the machine may have other work. */
interface CodingTimes {
  readonly write: number
  readonly read: number
  readonly round: number
}

function measured(options: CodecOptions, layout: UpdateLayout, length: 'quick' | 'full'): CodingTimes {
  const codec = updateCodec(layout, options)
  const team = Array.from({ length: WORKERS }, (_, worker) =>
    updateWorker({ ...options, layout, worker, workers: WORKERS }),
  )
  const random = createRandom(1, 'coding')
  const updates = team.map(() => Float32Array.from({ length: layout.length }, () => 1e-3 * random.normal()))
  const times = { write: Array<number>(), read: Array<number>(), round: Array<number>() }
  for (let round = 0; round < WARM_UP[length] + ROUNDS[length]; round++) {
    let message = new Uint8Array()
    const write = seconds(() => {
      message = codec.encode(updates[0], { round, worker: 0 })
    })
    const read = seconds(() => codec.decode(message, round))
    const messages: Uint8Array[] = []
    const [send] = team.map((worker, i) => seconds(() => messages.push(worker.send(updates[i]))))
    const receive = seconds(() => team[0].receive(messages))
    if (round < WARM_UP[length]) continue
    times.write.push(write)
    times.read.push(read)
    times.round.push(send + receive)
  }
  for (const worker of team) worker[Symbol.dispose]()
  return { write: median(times.write), read: median(times.read), round: median(times.round) }
}

const INFORMS = { peer: null, ratio: null, floor: null, goal: null, better: 'lower' } as const

function rowsOf(codec: string, { write, read, round }: CodingTimes, { length }: UpdateLayout): Row[] {
  const [writing, reading, all] = PARTS
  const unit = 'ns a number'
  return [
    { ...INFORMS, name: nameOf(codec, writing), ours: (1e9 * write) / length, unit },
    { ...INFORMS, name: nameOf(codec, reading), ours: (1e9 * read) / length, unit },
    { ...INFORMS, name: nameOf(codec, all), ours: 1000 * round, unit: 'ms', note: `${length} numbers` },
  ]
}
