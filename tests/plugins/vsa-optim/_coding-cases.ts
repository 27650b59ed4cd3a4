/**
 * What coding comes to, as hashes: messages and what is read of them, of all codecs and of whoever sends. Numbers are made by exact arithmetic, so the
 * hashes are those of every machine; but `powersgd` draws normal numbers, whose last bit is the engine's.
 */
import { createHash } from 'node:crypto'
import { createRandom, type Random } from '../../../core/mod.ts'
import {
  CODEC_NAMES,
  type CodecOptions,
  crc32c,
  denseCompressor,
  type GradientCompressor,
  integerCompressor,
  localRounds,
  powersgdCompressor,
  type SendKind,
  ternaryCompressor,
  topkSignCompressor,
  tritAccumulator,
  twoHopWorker,
  updateLayout,
  updateWorker,
  vsaCompressor,
} from '../../../plugins/vsa-optim/mod.ts'

/** A hash by what it is of. */
export type CodingHashes = Readonly<Record<string, string>>

/** Each is computed when it is asked for. */
export const CODING_CASES: Readonly<Record<string, () => string>> = Object.fromEntries([
  ...compressorCases(),
  ...teamCases(),
  ['two hops, ternary', () => twoHops('ternary')],
  ['two hops, int8', () => twoHops('int8')],
  ['gradients that wait', waiting],
  ['checksums', checksums],
])

// ---- helpers ----------------------------------------------------------------------------------------------------

type Case = readonly [string, () => string]

/** Of zero mean and heavy tails, by sums and products alone. */
function heavy(random: Random): number {
  const word = (): number => random.uint32() * 2 ** -32
  return (word() + word() + word() - 1.5) ** 3
}

const KINDS: Readonly<Record<string, (random: Random, i: number) => number>> = {
  heavy: (random) => 1e-3 * heavy(random),
  flat: (random) => random.uint32() - 2 ** 31,
  sparse: (random, i) => (random.int(100) === 0 ? heavy(random) : i % 3 === 0 ? -0 : 0),
  ties: (random) => random.int(5) - 2,
  constant: () => -0.37,
  zeros: () => 0,
  tiny: (random) => 1e-41 * (random.int(2001) - 1000),
  large: (random) => 1e38 * heavy(random),
  'largest f32': (_, i) => (i % 2 === 0 ? 3.40281e38 : -3.4028234e38),
}

const LENGTHS = [1, 2, 5, 33, 255, 4096, 4097, 6144, 9601]

function drawn(length: number, kind: string, seed: number): Float32Array {
  const random = createRandom(seed, kind)
  return Float32Array.from({ length }, (_, i) => KINDS[kind](random, i))
}

function compressorCases(): Case[] {
  const all: Readonly<Record<string, GradientCompressor>> = {
    dense: denseCompressor('f32'),
    bf16: denseCompressor('bf16'),
    int8: integerCompressor(),
    'int8, blocks of 64': integerCompressor({ block: 64 }),
    'int8, blocks of 1': integerCompressor({ block: 1 }),
    int4: integerCompressor({ bits: 4 }),
    'int4, blocks of 1': integerCompressor({ bits: 4, block: 1 }),
    'int4, blocks of 4096': integerCompressor({ bits: 4, block: 4096 }),
    ternary: ternaryCompressor(),
    'ternary, threshold 0': ternaryCompressor({ threshold: 0 }),
    'ternary, blocks of 32': ternaryCompressor({ block: 32, threshold: 0.9 }),
    'ternary, unbiased': ternaryCompressor({ rounding: 'unbiased', seed: 2 ** 40 + 5 }),
    vsa: vsaCompressor({ seed: 7 }),
    'vsa, a fifth': vsaCompressor({ seed: 2 ** 40 + 7, ratio: 0.2 }),
    'vsa, blocks of 2': vsaCompressor({ seed: 7, block: 2 }),
    'vsa, unbiased, 0.6': vsaCompressor({ rounding: 'unbiased', ratio: 0.6, block: 512 }),
    'topk-sign': topkSignCompressor(),
    'topk-sign, all': topkSignCompressor({ ratio: 1 }),
    'topk-sign, 0.3 of 512': topkSignCompressor({ ratio: 0.3, block: 512 }),
    'topk-sign, of 1': topkSignCompressor({ block: 1 }),
  }
  const several = Object.entries(all).map(([name, one]): Case => [name, () => compressed(one, LENGTHS)])
  const matrices: Case[] = [
    ['powersgd', () => compressed(powersgdCompressor([16, 300], { seed: 3 }), [4800])],
    ['powersgd, rank 5', () => compressed(powersgdCompressor([90, 21], { rank: 5 }), [1890])],
  ]
  return [...several, ...matrices]
}

/** Payloads and what they come to, or the error. */
function compressed(compressor: GradientCompressor, lengths: readonly number[]): string {
  const hash = createHash('sha256')
  for (const length of lengths)
    for (const kind of Object.keys(KINDS))
      for (const round of [0, 3]) {
        const message = compressor.compress(drawn(length, kind, length), round)
        hash.update(message.payload)
        try {
          hash.update(bytesOf(compressor.decompress(message)))
        } catch (error) {
          hash.update(String(error))
        }
      }
  return short(hash)
}

const LAYOUT = updateLayout(
  new Map(
    Object.entries({ a: [96, 100], b: [24, 32], c: [40, 100], d: [7], e: [1], f: [64, 64] }).map(
      ([name, shape]) => [name, { shape }],
    ),
  ),
)

function teamCases(): Case[] {
  const all: readonly CodecOptions[] = [
    ...CODEC_NAMES.map((codec) => ({ codec })),
    { codec: 'vsa', ratio: 0.25 },
    { codec: 'ternary', block: 256 },
  ]
  return all.map((options) => [`team, ${Object.values(options).join(' ')}`, () => team(options)])
}

/** Messages, means, what is left, and statistics of three workers. */
function team(options: CodecOptions): string {
  const hash = createHash('sha256')
  const workers = [0, 1, 2].map((worker) =>
    updateWorker({ layout: LAYOUT, worker, workers: 3, seed: 5, ...options }),
  )
  const start = drawn(LAYOUT.length, 'heavy', 1)
  const rounds = workers.map((worker) => localRounds(worker, start, { rate: 0.7, momentum: 0.9 }))
  const plain = workers.map((worker) => localRounds(worker, start))
  const kinds: readonly SendKind[] = ['dense', 'compressed', 'compressed', 'compressed', 'compressed', 'last']
  for (const [round, kind] of kinds.entries()) {
    const ways = round % 2 === 0 ? rounds : plain
    const messages = ways.map((one, worker) =>
      one.send(drawn(LAYOUT.length, 'heavy', 10 * round + worker), kind),
    )
    for (const message of messages) hash.update(message)
    for (const one of ways) hash.update(bytesOf(one.receive(messages.toReversed(), kind)))
    for (const worker of workers) {
      for (const tensor of worker.tensors?.().values() ?? [])
        hash.update(bytesOf(Float32Array.from(tensor.toArray())))
      hash.update(JSON.stringify(worker.stats))
    }
  }
  for (const worker of workers) worker[Symbol.dispose]()
  return short(hash)
}

function twoHops(codec: 'ternary' | 'int8'): string {
  const hash = createHash('sha256')
  const workers = [0, 1, 2].map((worker) =>
    twoHopWorker({ layout: LAYOUT, worker, workers: 3, seed: 5, codec }),
  )
  for (const [round, kind] of (['dense', 'compressed', 'compressed', 'last'] as const).entries()) {
    const sent = workers.map((one, i) => one.scatter(drawn(LAYOUT.length, 'heavy', 10 * round + i), kind))
    const averages = workers.map((one, i) =>
      one.average(
        sent.map((messages) => messages[i]),
        kind,
      ),
    )
    for (const message of [...sent.flat(), ...averages]) hash.update(message)
    for (const worker of workers) {
      hash.update(bytesOf(worker.receive(averages, kind)))
      for (const tensor of worker.tensors?.().values() ?? [])
        hash.update(bytesOf(Float32Array.from(tensor.toArray())))
      hash.update(JSON.stringify(worker.stats))
    }
  }
  for (const worker of workers) worker[Symbol.dispose]()
  return short(hash)
}

function waiting(): string {
  const hash = createHash('sha256')
  const accumulator = tritAccumulator(5000, { seed: 9 })
  for (let round = 0; round < 2; round++) {
    for (let i = 0; i < 3; i++) accumulator.add(drawn(5000, 'heavy', 10 * round + i))
    hash.update(bytesOf(accumulator.take()))
  }
  return short(hash)
}

/** Of all lengths up to 100 at all places of a word, and of one that is long; in one piece and in two. */
function checksums(): string {
  const hash = createHash('sha256')
  const bytes = bytesOf(drawn(20_000, 'flat', 1))
  const note = (part: Uint8Array): void => {
    const middle = part.length >> 1
    hash.update(`${crc32c(part)} ${crc32c(part.subarray(middle), crc32c(part.subarray(0, middle)))} `)
  }
  for (let start = 0; start < 8; start++)
    for (let length = 0; length <= 100; length++) note(bytes.subarray(start, start + length))
  note(bytes)
  return short(hash)
}

function bytesOf({ buffer, byteOffset, byteLength }: Float32Array): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength)
}

function short(hash: ReturnType<typeof createHash>): string {
  return hash.digest('hex').slice(0, 16)
}
