/**
 * A run of several workers in one process: one model, whose weights are those of whoever is at work. Messages are those that would travel, and are counted.
 */
import {
  adamw,
  chain,
  clipByGlobalNorm,
  cosineSchedule,
  type Device,
  flatGradients,
  type Parameters,
  type Tensor,
  type TransformState,
  TrituneError,
} from '../../../core/mod.ts'
import { evaluateLoss, stepParts, type TrainContext } from '../../../plugins/finetune/mod.ts'
import { loadModel } from '../../../plugins/models/mod.ts'
import { attachLora } from '../../../plugins/peft/mod.ts'
import {
  crc32c,
  localRounds,
  readInto,
  sentAfter,
  updateLayout,
  type UpdateLayout,
  type UpdateWorker,
  updateWorker,
  writeFrom,
} from '../../../plugins/vsa-optim/mod.ts'
import { DENSE, type Method } from './methods.ts'
import type { Task } from './task.ts'

/** What a run is of. */
export interface SimulatedRun {
  /** Its folder. */
  readonly base: string
  readonly method: Method
  readonly task: Task
  readonly workers: number
  readonly steps: number
  readonly learningRate: number
  readonly seed: number
  readonly device: Device
  /** Of the device. */
  readonly threads: number
}

/** What came of a run; bytes of one worker over the whole of it. */
export interface Outcome {
  readonly chosenBy: number
  readonly reported: number
  readonly sentBytes: number
  /** Every message to every worker. */
  readonly receivedBytes: number
  /** f32 of everything each step. */
  readonly denseBytes: number
  /** Of a step of one worker, without coding; of its processor where there is one thread, as the machine may have other work. */
  readonly stepSeconds: number
  /** Of coding and decoding, of one worker over the whole run; of its processor, too. */
  readonly codecSeconds: number
  /** δ of its last message that was compressed, and ‖e‖ / ‖update‖ after it. */
  readonly kept: number
  readonly backlog: number
}

/** Trains and evaluates. A loss that is not finite is Infinity: that learning rate is too high. */
export function simulate(run: SimulatedRun): Outcome {
  const { base, method, seed, device, workers } = run
  using model = loadModel(base, { device })
  using adapter = attachLora(model, { rank: 16, alpha: 32, targetModules: 'all-linear', seed })
  const { parameters } = adapter
  using gradients = flatGradients(parameters)
  const layout = updateLayout(parameters)
  const all = Array.from({ length: workers }, (_, worker) =>
    updateWorker({ ...codecOf(method), layout, worker, workers, seed }),
  )
  const team: Team = {
    ...run,
    layout,
    parameters,
    all,
    clock: openClock(run.threads),
    told: { kept: 1, backlog: 0 },
    context: { model, device, parameters, gradients, checkpointing: false, seed },
  }
  try {
    const way = method.sends === 'weights' ? shareWeights : method === DENSE ? trainPlain : shareGradients
    const began = team.clock.now()
    const isFinite = finished(() => way(team))
    const spent = team.clock.now() - began - team.clock.coding
    const loss = (rows: Task['reported']): number =>
      isFinite ? evaluateLoss({ model, device }, rows).loss : Infinity
    const { sentBytes, receivedBytes } = all[0].stats
    return {
      chosenBy: loss(run.task.chosenBy),
      reported: loss(run.task.reported),
      sentBytes,
      receivedBytes,
      denseBytes: 4 * layout.length * run.steps,
      stepSeconds: spent / (workers * run.steps),
      codecSeconds: team.clock.ofAll / workers,
      ...team.told,
    }
  } finally {
    for (const worker of all) worker[Symbol.dispose]()
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

interface Team extends SimulatedRun {
  readonly layout: UpdateLayout
  readonly parameters: Parameters
  readonly all: readonly UpdateWorker[]
  readonly context: Omit<TrainContext, 'optimizer'>
  readonly clock: Clock
  readonly told: { kept: number; backlog: number }
}

function codecOf({ codec, block, ratio, rank }: Method): Pick<Method, 'codec' | 'block' | 'ratio' | 'rank'> {
  return { codec, block, ratio, rank }
}

/** All rows at once, which is what workers come to that send every gradient as it is. */
function trainPlain({ context, parameters, ...run }: Team): void {
  using optimizer = createOptimizer(parameters)
  for (let step = 0; step < run.steps; step++) {
    const at = { step, learningRate: rateOf(run, step) }
    const parts = stepParts({ ...context, optimizer }, [run.task.rowsOf(step, 0, 1)], at, run.steps)
    parts.backward()
    parts.update()
  }
}

/** One optimizer for all, on the mean of what arrived. */
function shareGradients({ context, parameters, layout, all, clock, told, ...run }: Team): void {
  const { task, workers, steps } = run
  using optimizer = createOptimizer(parameters)
  const gradient = new Float32Array(layout.length)
  for (let step = 0; step < steps; step++) {
    const at = { step, learningRate: rateOf(run, step) }
    const messages = all.map((one, worker) => {
      stepParts({ ...context, optimizer }, [task.rowsOf(step, worker, workers)], at, steps).backward()
      readInto(gradient, layout, gradientsOf(parameters))
      return timed(clock, () => one.send(gradient))
    })
    // All of them have the same mean: tests/plugins/vsa-optim/workers.
    const mean = timed(clock, () => all[0].receive(messages), workers)
    writeFrom(mean, layout, gradientsOf(parameters))
    note(told, all[0])
    stepParts({ ...context, optimizer }, [], at, steps).update()
  }
}

/** An optimizer for each worker, and the mean of where they went. */
function shareWeights({ context, parameters, layout, all, clock, told, ...run }: Team): void {
  const { task, workers, steps, method } = run
  const start = new Float32Array(layout.length)
  readInto(start, layout, parameters)
  const own = all.map((worker) => ({
    rounds: localRounds(worker, start),
    weights: start.slice(),
    optimizer: createOptimizer(parameters),
  }))
  try {
    for (let step = 0; step < steps; step++) {
      const at = { step, learningRate: rateOf(run, step) }
      for (const [worker, { weights, optimizer }] of own.entries()) {
        writeFrom(weights, layout, parameters)
        const parts = stepParts({ ...context, optimizer }, [task.rowsOf(step, worker, workers)], at, steps)
        parts.backward()
        parts.update()
        readInto(weights, layout, parameters)
      }
      const kind = sentAfter(step + 1, { every: method.every, totalSteps: steps })
      if (kind === null) continue
      const messages = own.map(({ rounds, weights }) => timed(clock, () => rounds.send(weights, kind)))
      if (kind === 'compressed') note(told, all[0])
      for (const { rounds, weights } of own) weights.set(timed(clock, () => rounds.receive(messages, kind)))
      expectEqual(own.map(({ weights }) => weights))
    }
    writeFrom(own[0].weights, layout, parameters)
  } finally {
    for (const { optimizer } of own) optimizer[Symbol.dispose]()
  }
}

function createOptimizer(parameters: Parameters): TransformState {
  return chain(clipByGlobalNorm(1), adamw({ weightDecay: 0 })).init(parameters)
}

function rateOf({ steps, learningRate }: Pick<SimulatedRun, 'steps' | 'learningRate'>, step: number): number {
  return (
    learningRate * cosineSchedule({ warmupSteps: Math.ceil(0.03 * steps) + 1, totalSteps: steps })(step + 1)
  )
}

function gradientsOf(parameters: Parameters): ReadonlyMap<string, Tensor> {
  return new Map([...parameters].flatMap(([name, { grad }]) => (grad ? [[name, grad]] : [])))
}

interface Clock {
  /** Seconds. */
  now(): number
  /** Seconds of coding that went by. */
  coding: number
  /** And those of all workers, had each done its own. */
  ofAll: number
}

/** Of the processor where one thread works, else of the wall. */
function openClock(threads: number): Clock {
  const ofProcessor = (): number => {
    const { user, system } = process.cpuUsage()
    return (user + system) / 1e6
  }
  return { now: threads === 1 ? ofProcessor : () => performance.now() / 1000, coding: 0, ofAll: 0 }
}

/** `times`: of how many workers it is the work. */
function timed<T>(clock: Clock, work: () => T, times = 1): T {
  const started = clock.now()
  const result = work()
  const seconds = clock.now() - started
  clock.coding += seconds
  clock.ofAll += times * seconds
  return result
}

function note(told: { kept: number; backlog: number }, { stats: { kept, backlog } }: UpdateWorker): void {
  told.kept = kept ?? 1
  told.backlog = backlog ?? 0
}

function expectEqual(replicas: readonly Float32Array[]): void {
  const hashes = replicas.map((one) => crc32c(new Uint8Array(one.buffer, one.byteOffset, one.byteLength)))
  if (new Set(hashes).size > 1) throw new TrituneError('E_NAN', 'the workers have come apart')
}

/** false where the loss was not finite. */
function finished(work: () => void): boolean {
  try {
    work()
    return true
  } catch (error) {
    if (error instanceof TrituneError && error.code === 'E_NAN') return false
    throw error
  }
}
