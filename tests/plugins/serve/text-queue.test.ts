/**
 * The line before an engine: who is made when, texts that end early, and passes that fail.
 */
import { expect, test } from 'bun:test'
import type { BatchEngine, TextRequest, TextStep } from '../../../plugins/generate/mod.ts'
import { createTextQueue } from '../../../plugins/serve/mod.ts'
import { createAdmission } from '../../../plugins/serve/text/admission.ts'
import { createChannel } from '../../../plugins/serve/text/channel.ts'

interface FakeEngine extends BatchEngine {
  /** Numbers of texts that were cancelled. */
  readonly cancelled: number[]
  /** What the next pass throws. */
  failure: Error | null
}

/** Two rows; a text is as many tokens long as it wants, each token is its own number. */
function fakeEngine(): FakeEngine {
  const open = new Map<number, number>()
  const cancelled: number[] = []
  let added = 0
  return {
    cancelled,
    failure: null,
    bytes: 0,
    get free() {
      return 2 - open.size
    },
    get open() {
      return open.size
    },
    add({ prompt, maxNewTokens = 1 }: TextRequest) {
      if (prompt.length === 0) throw new Error('no prompt')
      open.set(added, maxNewTokens)
      return added++
    },
    step() {
      if (this.failure) throw this.failure
      return [...open].map(([text, left]): TextStep => {
        if (left === 1) open.delete(text)
        else open.set(text, left - 1)
        return { text, id: text, end: left === 1 ? 'length' : null, stopId: null, logprobs: null, reused: 0 }
      })
    },
    cancel(text) {
      cancelled.push(text)
      open.delete(text)
    },
    forget() {},
    [Symbol.dispose]() {},
  }
}

interface Followed {
  readonly steps: TextStep[]
  readonly done: Promise<unknown>
  cancel(): void
}

function follow(queue: ReturnType<typeof createTextQueue>, request: TextRequest): Followed {
  const steps: TextStep[] = []
  const { promise, resolve } = Promise.withResolvers<unknown>()
  const cancel = queue.submit(request, {
    onStep(step) {
      steps.push(step)
      if (step.end !== null) resolve('ended')
    },
    onError: resolve,
  })
  return { steps, done: promise, cancel }
}

const of = (maxNewTokens: number): TextRequest => ({ prompt: [1], maxNewTokens })

test('texts are made in the order in which they came, as rows are free', async () => {
  const engine = fakeEngine()
  using queue = createTextQueue(engine)
  const all = [5, 1, 2, 1].map((tokens) => follow(queue, of(tokens)))
  expect([queue.open, queue.waiting]).toEqual([0, 4])
  await Promise.all(all.map(({ done }) => done))
  expect(all.map(({ steps }) => steps.map(({ text }) => text))).toEqual([[0, 0, 0, 0, 0], [1], [2, 2], [3]])
  expect([queue.open, queue.waiting]).toEqual([0, 0])
  // It sleeps, and wakes for the next one.
  const next = follow(queue, of(2))
  expect(await next.done).toBe('ended')
})

test('a text that ends early leaves its row, or its place in the line', async () => {
  const engine = fakeEngine()
  using queue = createTextQueue(engine)
  const [first, second, third, fourth] = [1e9, 1e9, 1e9, 3].map((tokens) => follow(queue, of(tokens)))
  await Bun.sleep(5)
  third.cancel()
  first.cancel()
  first.cancel()
  expect(await fourth.done).toBe('ended')
  expect(third.steps).toEqual([])
  expect(engine.cancelled).toEqual([0])
  second.cancel()
  expect([queue.open, queue.waiting]).toEqual([0, 0])
})

test('what cannot be added is the fault of one; a pass that fails ends those that were in it, and no other', async () => {
  const engine = fakeEngine()
  using queue = createTextQueue(engine)
  const bad = follow(queue, { prompt: [] })
  const [first, second, third] = [1e9, 1e9, 2].map((tokens) => follow(queue, of(tokens)))
  expect(await bad.done).toEqual(new Error('no prompt'))
  await Bun.sleep(5)
  engine.failure = new Error('no memory')
  expect(await Promise.all([first.done, second.done])).toEqual([engine.failure, engine.failure])
  engine.failure = null
  expect(engine.cancelled).toEqual([0, 1])
  expect(await third.done).toBe('ended')
})

test('the door: places are given back once, and the time to wait follows how long texts take', () => {
  const admission = createAdmission({ places: 3, rows: 1 })
  const two = admission.enter(2)
  expect(admission.enter(2)).toBeNull()
  const one = admission.enter(1)
  expect(admission.inside).toBe(3)
  expect(admission.enter(1)).toBeNull()
  expect(admission.retryAfter()).toBe(2)
  two?.[Symbol.dispose]()
  two?.[Symbol.dispose]()
  expect(admission.inside).toBe(1)
  one?.[Symbol.dispose]()
  expect(admission.retryAfter()).toBe(1)
})

test('a channel gives what was put in before it ended, then ends or throws', async () => {
  const channel = createChannel<number>()
  channel.push(1)
  const read = Array.fromAsync(channel)
  await Bun.sleep(1)
  channel.push(2)
  channel.close()
  channel.push(3)
  channel.fail(new Error('late'))
  expect(await read).toEqual([1, 2])
  const broken = createChannel<number>()
  broken.push(1)
  broken.fail(new Error('broken'))
  const got: number[] = []
  const reading = (async () => {
    for await (const value of broken) got.push(value)
  })()
  expect(reading).rejects.toThrow('broken')
  await reading.catch(() => {})
  expect(got).toEqual([1])
})
