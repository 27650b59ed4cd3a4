/**
 * One worker of a team, in a thread: makes local steps with the others over shared memory, and tells where it came to.
 */
import { parentPort, workerData } from 'node:worker_threads'
import { parameter, type Parameters, tensor, tensorScope } from '../../../../core/mod.ts'
import { type Exchange, localSteps } from '../../../../plugins/vsa-optim/mod.ts'
import type { TeamRun, TeamTask, Told } from './_team.ts'
import { contextOf } from './_step-context.ts'

/** As much as a message of a test may have. */
const ROOM = 1 << 16

const SHAPES = { a: [6, 9], b: [50], c: [7, 7], d: [64], e: [3, 20], f: [5] }

const task: TeamTask = workerData

function told(of: TeamRun): Told {
  try {
    return run(of)
  } catch (error) {
    // The others do not wait for ever.
    Atomics.store(new Int32Array(task.memory, 0, 3), 2, 1)
    Atomics.notify(new Int32Array(task.memory, 0, 3), 1)
    return { failure: String(error), weights: [], metrics: {}, way: '' }
  }
}

function run({ steps, options, interruptedAfter }: TeamRun): Told {
  const { memory, rank, size } = task
  using _scope = tensorScope()
  const others = sharedMemory(memory, rank, size)
  const start = (): Parameters =>
    new Map(
      Object.entries(SHAPES).map(([name, shape]) => [
        name,
        parameter(tensor(new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(0.3), { shape })),
      ]),
    )
  let parameters = start()
  let strategy = localSteps(options, { parameters, seed: 3 }, others)
  let metrics: Readonly<Record<string, number>> = {}
  for (let step = 0; step < steps; step++) {
    metrics = strategy.step(contextOf(step, steps, parameters), () => {
      // Each worker goes a way of its own.
      for (const [name, weight] of parameters)
        weight.set(
          weight
            .toArray()
            .map((x, i) => x + 0.1 * (Math.sin(i * (rank + 2) + name.charCodeAt(0) + step) - x)),
        )
      return { loss: 1, metrics: {} }
    }).metrics
    if (step + 1 !== interruptedAfter) continue
    const saved = JSON.parse(JSON.stringify(strategy.saveState()))
    const tensors = [...strategy.tensors()].map(([name, one]) => [name, one.toArray().slice()] as const)
    const weights = [...parameters].map(([name, one]) => [name, one.toArray().slice()] as const)
    strategy[Symbol.dispose]()
    parameters = start()
    strategy = localSteps(options, { parameters, seed: 3 }, others)
    for (const [name, numbers] of weights) parameters.get(name)?.set(numbers)
    for (const [name, numbers] of tensors) strategy.tensors().get(name)?.set(numbers)
    strategy.loadState(saved)
  }
  const way = String(Reflect.get(Object(strategy.saveState()), 'exchange'))
  strategy[Symbol.dispose]()
  return { failure: null, weights: [...parameters.values()].map((one) => [...one.toArray()]), metrics, way }
}

function sharedMemory(memory: SharedArrayBuffer, rank: number, size: number): Exchange {
  const [counts, slots] = [new Int32Array(memory, 0, 3), new Uint8Array(memory, 16)]
  const meet = (): void => {
    const round = Atomics.load(counts, 1)
    if (Atomics.add(counts, 0, 1) === size - 1) {
      Atomics.store(counts, 0, 0)
      Atomics.add(counts, 1, 1)
      Atomics.notify(counts, 1)
    } else
      while (Atomics.load(counts, 1) === round) {
        const isLate = Atomics.wait(counts, 1, round, 20_000) === 'timed-out'
        // Whoever came to this and failed later is no matter here.
        if (Atomics.load(counts, 1) === round && (isLate || Atomics.load(counts, 2) === 1))
          throw new Error('another worker is not there')
      }
  }
  const shown = (own: Uint8Array, read: (slot: Uint8Array, from: number) => void): void => {
    if (own.length > ROOM) throw new Error(`${own.length} bytes have no room`)
    slots.set(own, rank * ROOM)
    meet()
    for (let from = 0; from < size; from++) read(slots.subarray(from * ROOM, from * ROOM + own.length), from)
    meet()
  }
  return {
    rank,
    size,
    collect: (own, all) => shown(own, (slot, from) => all.set(slot, from * own.length)),
    exchange(rows, received) {
      const bytes = rows.length / size
      shown(rows, (slot, from) => received.set(slot.subarray(rank * bytes, (rank + 1) * bytes), from * bytes))
    },
  }
}

parentPort?.postMessage(
  task.runs.map((of) => told(of)),
  [],
)
