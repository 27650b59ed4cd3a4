/**
 * Workers that exchange updates: nothing is lost for good, all have the same bits after every round, and an interrupted one goes on as if it had not been.
 */
import { describe, expect, test } from 'bun:test'
import { createRandom } from '../../../../core/mod.ts'
import {
  CODEC_NAMES,
  type CodecOptions,
  crc32c,
  keptShare,
  localRounds,
  type SendKind,
  sentAfter,
  twoHopWorker,
  updateLayout,
  updateMetrics,
  updateWarning,
  updateWorker,
  type UpdateWorkerOptions,
} from '../../../../plugins/vsa-optim/mod.ts'
import { thrownBy } from '../_thrown.ts'

const LAYOUT = updateLayout(
  new Map(['a', 'b', 'c', 'd'].map((name, i) => [name, { shape: [24 + 8 * i, 32] }])),
)
const { length: LENGTH } = LAYOUT
const CODECS: readonly (readonly [string, CodecOptions])[] = [
  ...CODEC_NAMES.map((codec): [string, CodecOptions] => [codec, { codec }]),
  ['vsa, a quarter', { codec: 'vsa', ratio: 0.25 }],
]

function updates(workers: number, seed: number): Float32Array[] {
  const random = createRandom(seed, 'updates')
  return Array.from({ length: workers }, () =>
    Float32Array.from({ length: LENGTH }, () => 1e-3 * random.normal() ** 3),
  )
}

function team(workers: number, options: Partial<UpdateWorkerOptions> & CodecOptions, seed = 3) {
  const list = Array.from({ length: workers }, (_, worker) =>
    updateWorker({ layout: LAYOUT, worker, workers, seed, ...options }),
  )
  return {
    list,
    [Symbol.dispose]() {
      for (const one of list) one[Symbol.dispose]()
    },
  }
}

function hashOf(x: Float32Array): number {
  return crc32c(new Uint8Array(x.buffer, x.byteOffset, x.byteLength))
}

describe.each(CODECS)('%s', (_, options) => {
  test('what was sent is the sum of the updates less what is left, of every worker', () => {
    using workers = team(3, options)
    const sent = new Float64Array(LENGTH)
    const given = new Float64Array(LENGTH)
    for (let round = 0; round < 12; round++) {
      const own = updates(3, round)
      const messages = workers.list.map((worker, i) => worker.send(own[i]))
      const mean = workers.list[0].receive(messages)
      for (let i = 0; i < LENGTH; i++) {
        sent[i] += 3 * mean[i]
        given[i] += own[0][i] + own[1][i] + own[2][i]
      }
    }
    const errors = workers.list.map(
      (worker) => worker.tensors?.().get('error')?.toArray() ?? new Float32Array(0),
    )
    const left = Float32Array.from(given, (x, i) => x - sent[i])
    const remembered = left.map((_x, i) => errors[0][i] + errors[1][i] + errors[2][i])
    const scale = Math.hypot(...given)
    expect(Math.hypot(...left.map((x, i) => x - remembered[i])) / scale).toBeLessThan(1e-5)
  })
  test('all workers have the same weights after every round, in whatever order messages come', () => {
    using workers = team(4, options)
    const start = updates(1, 99)[0]
    const rounds = workers.list.map((worker) => localRounds(worker, start))
    for (let round = 0; round < 6; round++) {
      const kind: SendKind = round === 0 ? 'dense' : round === 5 ? 'last' : 'compressed'
      const moved = updates(4, round)
      const messages = rounds.map((one, i) =>
        one.send(
          one.shared.map((x, n) => x - moved[i][n]),
          kind,
        ),
      )
      const hashes = rounds.map((one, i) =>
        hashOf(one.receive([...messages.slice(i), ...messages.slice(0, i)], kind)),
      )
      expect(new Set(hashes).size).toBe(1)
    }
  })
  test('interrupted is uninterrupted', () => {
    using whole = team(2, options)
    using halves = team(2, options)
    using resumed = team(2, options)
    const step = ({ list }: typeof whole, round: number): number => {
      const own = updates(2, round)
      return hashOf(list[1].receive(list.map((worker, i) => worker.send(own[i]))))
    }
    for (const round of [0, 1, 2]) step(halves, round)
    for (const [i, worker] of resumed.list.entries()) {
      const from = halves.list[i]
      worker
        .tensors?.()
        .get('error')
        ?.set(from.tensors?.().get('error')?.toArray() ?? [])
      worker.loadState?.(JSON.parse(JSON.stringify(from.saveState?.())))
    }
    for (const round of [0, 1, 2]) step(whole, round)
    for (const round of [3, 4]) expect(step(resumed, round)).toBe(step(whole, round))
    expect(resumed.list[1].stats).toEqual(whole.list[1].stats)
  })
  test('two hops: all the same mean, near the mean of the updates', () => {
    const workers = [0, 1, 2].map((worker) =>
      twoHopWorker({ layout: LAYOUT, worker, workers: 3, ...options }),
    )
    const told = new Float64Array(LENGTH)
    const given = new Float64Array(LENGTH)
    for (let round = 0; round < 20; round++) {
      const own = updates(3, 5)
      const scattered = workers.map((worker, i) => worker.scatter(own[i]))
      const averages = workers.map((worker, i) => worker.average(scattered.map((messages) => messages[i])))
      const means = workers.map((worker) => worker.receive(averages))
      expect(new Set(means.map(hashOf)).size).toBe(1)
      for (let i = 0; i < LENGTH; i++) {
        told[i] += means[0][i]
        given[i] += (own[0][i] + own[1][i] + own[2][i]) / 3
      }
    }
    expect(keptShare(Float32Array.from(given), Float32Array.from(told))).toBeGreaterThan(0.75)
    for (const worker of workers) worker[Symbol.dispose]()
  })
})

describe('local rounds', () => {
  test('one worker, dense, a step a round: its own weights to the bit', () => {
    using workers = team(1, { codec: 'dense' })
    const [start] = updates(1, 1)
    const rounds = localRounds(workers.list[0], start)
    for (let step = 1; step <= 5; step++) {
      const went = Float32Array.from(updates(1, step)[0], (x, i) => x * 1000 ** (i % 5))
      const kind = sentAfter(step, { every: 1, totalSteps: 5 }) ?? 'compressed'
      expect(rounds.receive([rounds.send(went, kind)], kind)).toEqual(went)
    }
  })
  test('the mean of where workers went; a part of it with a rate', () => {
    const start = new Float32Array(LENGTH).fill(1)
    const went = [start.map((x) => x + 0.5), start.map((x) => x - 1)]
    for (const codec of ['dense', 'bf16'] as const)
      for (const rate of [1, 0.5]) {
        using workers = team(2, { codec })
        const rounds = workers.list.map((worker) => localRounds(worker, start, { rate }))
        const messages = rounds.map((one, i) => one.send(went[i], 'compressed'))
        expect(rounds[1].receive(messages, 'compressed')[7]).toBe(1 - 0.25 * rate)
      }
  })
  test('the first and the last round are dense, the last one says so', () => {
    const kinds = Array.from({ length: 11 }, (_, i) => sentAfter(i + 1, { every: 3, totalSteps: 11 }))
    expect(kinds).toEqual([
      'dense',
      null,
      'compressed',
      null,
      null,
      'compressed',
      null,
      null,
      'compressed',
      null,
      'last',
    ])
    expect(sentAfter(1, { totalSteps: 1 })).toBe('last')
    expect(thrownBy(() => sentAfter(1, { every: 0, totalSteps: 9 }))[0]).toBe('E_VALUE')
  })
  test('a dense round leaves next to nothing to send', () => {
    using workers = team(1, { codec: 'topk-sign' })
    const [worker] = workers.list
    worker.send(updates(1, 1)[0])
    expect(worker.stats.backlog).toBeGreaterThan(0.3)
    worker.send(updates(1, 2)[0], 'dense')
    expect(worker.stats.backlog).toBeLessThan(0.01)
    expect(worker.messageBytes('dense')).toBeGreaterThan(10 * worker.messageBytes())
  })
})

describe('bytes', () => {
  test('what was sent and received is counted, and what the last message kept', () => {
    using workers = team(4, { codec: 'ternary' })
    const messages = workers.list.map((worker, i) => worker.send(updates(4, 1)[i]))
    workers.list[2].receive(messages)
    const { sentBytes, receivedBytes, denseBytes, rounds, kept, backlog } = workers.list[2].stats
    expect([rounds, sentBytes, receivedBytes]).toEqual([1, messages[2].length, 3 * messages[0].length])
    expect(denseBytes).toBe(4 * LENGTH)
    // The first message's input is the update alone.
    expect(backlog).toBeCloseTo(Math.sqrt(1 - (kept ?? 0)), 5)
    expect(workers.list[2].messageBytes()).toBe(messages[0].length)
  })
  test('a backlog that grows is counted', () => {
    using workers = team(1, { codec: 'topk-sign', ratio: 0.001 })
    const [update] = updates(1, 1)
    for (let round = 0; round < 25; round++) workers.list[0].send(update)
    const { stats } = workers.list[0]
    expect(stats.growing).toBe(24)
    expect(updateWarning(stats, 1e6)).toContain('has grown for 24 rounds')
  })
  test('what is measured is there as metrics, and a run that is too short for its codec is told', () => {
    using workers = team(1, { codec: 'topk-sign' })
    const [worker] = workers.list
    expect(updateMetrics(worker.stats)).toEqual({})
    expect(updateWarning(worker.stats, 1)).toBeNull()
    const message = worker.send(updates(1, 1)[0])
    const { update_kept: kept, update_error_share: share, ...others } = updateMetrics(worker.stats)
    expect(kept + share ** 2).toBeCloseTo(1, 6)
    expect(others).toMatchObject({ sent_bytes: message.length, received_bytes: 0 })
    const rounds = Math.ceil(30 / kept)
    expect(updateWarning(worker.stats, rounds)).toBeNull()
    expect(updateWarning(worker.stats, rounds - 1)).toContain(
      `should have ${rounds} rounds and has ${rounds - 1}`,
    )
    worker.send(new Float32Array(LENGTH))
    expect(updateMetrics(worker.stats)).not.toHaveProperty('update_backlog')
  })
})

describe('refused', () => {
  const [one, two] = updates(2, 1)
  test('a message that is missing, there twice, or of nobody', () => {
    using workers = team(2, { codec: 'int8' })
    using larger = team(3, { codec: 'int8' })
    const third = larger.list[2].send(one)
    const [first, second] = [workers.list[0].send(one), workers.list[1].send(two)]
    const refused = (...messages: Uint8Array[]): string =>
      thrownBy(() => workers.list[0].receive(messages)).join(' ')
    expect(refused(first)).toBe('E_VALUE the message of worker 1 is missing')
    expect(refused(first, first)).toBe('E_VALUE worker 0 sent two messages in a round')
    expect(refused(first, third)).toBe('E_VALUE there is a message of worker 2, and there are 2 workers')
    expect(workers.list[0].receive([second, first])).toHaveLength(LENGTH)
  })
  test('a number that is not finite changes nothing', () => {
    using workers = team(1, { codec: 'ternary' })
    const [worker] = workers.list
    worker.send(one)
    const before = worker.tensors?.().get('error')?.toArray()
    expect(thrownBy(() => worker.send(one.with(800, Number.NaN)))[0]).toBe('E_NAN')
    expect(worker.tensors?.().get('error')?.toArray()).toEqual(before)
    expect(worker.round).toBe(1)
  })
  test('a round that another worker has not reached', () => {
    using workers = team(2, { codec: 'int4' })
    const early = workers.list[1].send(two)
    workers.list[0].send(one)
    const later = workers.list[0].send(one)
    expect(thrownBy(() => workers.list[0].receive([later, early]))).toEqual([
      'E_VALUE',
      'the message of worker 1 has round 0, expected 1',
    ])
  })
  test('a checkpoint of another number of workers, unless that is allowed', () => {
    using four = team(4, { codec: 'ternary' })
    using two_ = team(2, { codec: 'ternary' })
    using allowed = team(2, { codec: 'ternary', allowOtherWorkers: true })
    four.list[1].send(one)
    const saved = four.list[1].saveState?.() ?? null
    const load = (worker: (typeof two_.list)[number]): void => worker.loadState?.(saved)
    expect(thrownBy(() => load(two_.list[1]))).toEqual([
      'E_RESUME',
      'the checkpoint is of workers 4, this is workers 2',
    ])
    expect(thrownBy(() => load(four.list[2]))[1]).toBe('the checkpoint is of worker 1, this is worker 2')
    allowed.list[1].tensors?.().get('error')?.set(one)
    load(allowed.list[1])
    expect(allowed.list[1].round).toBe(1)
    expect(allowed.list[1].tensors?.().get('error')?.toArray()).toEqual(new Float32Array(LENGTH))
    using other = team(4, { codec: 'int8', allowOtherWorkers: true })
    expect(thrownBy(() => load(other.list[1]))[1]).toBe(
      'the checkpoint is of codec ternary, this is codec int8',
    )
    expect(thrownBy(() => two_.list[0].loadState?.(null))[0]).toBe('E_RESUME')
  })
  test('workers that there cannot be', () => {
    const made = (options: Partial<UpdateWorkerOptions>): string =>
      thrownBy(() => updateWorker({ layout: LAYOUT, worker: 0, workers: 1, codec: 'int8', ...options }))[1]
    expect(made({ worker: 1 })).toContain('worker must be')
    expect(made({ workers: 0 })).toContain('workers must be')
    expect(thrownBy(() => twoHopWorker({ layout: LAYOUT, worker: 0, workers: 5, codec: 'int8' }))[1]).toBe(
      '5 workers cannot own 4 tensors',
    )
  })
})
