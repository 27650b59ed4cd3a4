/**
 * A step of each optimizer: on the 420 tensors of a LoRA of SmolLM2-135M, and on twelve of its matrices; SOAP beside AdamW on a LoRA of rank 16. With a Python in turn with torch,
 * bitsandbytes, transformers, lion-pytorch and schedulefree, whichever are there; without one, our times alone.
 */
import { fileURLToPath } from 'node:url'
import {
  adamw,
  createRandom,
  type Device,
  flatGradients,
  type GradientTransform,
  parameter,
  type Parameters,
  type Shape,
  sizeOf,
  tensor,
} from '../../../core/mod.ts'
import { openCpu } from '../../../plugins/cpu/mod.ts'
import { adafactor, lion, muon, rmsprop, scheduleFreeAdamw, sgd, soap } from '../../../plugins/optim/mod.ts'
import { type Child, numberIn, startChild } from '../_child.ts'
import { inTurn, mean, median, medianRatio, seconds } from '../_measure.ts'
import type { BenchContext, Row, Topic } from '../_topic.ts'

const decay = { weightDecay: 0.01 }

/** By the names of optimizers_peer.py. */
const OPTIMIZERS: Readonly<Record<string, () => GradientTransform>> = {
  adamw: () => adamw(decay),
  adamw_8bit: () => adamw({ ...decay, states: '8bit' }),
  lion: () => lion(decay),
  lion_8bit: () => lion({ ...decay, states: '8bit' }),
  adafactor: () => adafactor(decay),
  muon: () => muon({ ...decay, nsDtype: 'bf16' }),
  schedule_free: () => scheduleFreeAdamw(decay),
  sgd: () => sgd({ ...decay, momentum: 0.9 }),
  rmsprop: () => rmsprop(decay),
}

/** Steps of which the mean counts: SOAP makes its bases anew in one of them. */
const SOAP_CYCLE = 10
const soapOfLora = (): GradientTransform => soap(decay)

interface Weights {
  readonly name: string
  readonly shapes: readonly Shape[]
}

const WEIGHTS: readonly Weights[] = [
  {
    name: 'LoRA, 420 tensors, 1.9 M',
    shapes: Array.from({ length: 420 }, (_, i) => (i % 2 === 0 ? [8, 576] : [576, 8])),
  },
  { name: '12 matrices, 10.6 M', shapes: Array.from({ length: 12 }, () => [1536, 576]) },
]

/** Sides of the linear layers of a block of SmolLM2-135M, in and out. */
const LAYERS: readonly (readonly [number, number])[] = [
  [576, 576],
  [576, 192],
  [576, 192],
  [576, 576],
  [576, 1536],
  [576, 1536],
  [1536, 576],
]

const LORA_16: Weights = {
  name: 'LoRA of rank 16, 420 tensors, 4.9 M',
  shapes: Array.from({ length: 30 }, () =>
    LAYERS.flatMap(([inputs, outputs]): Shape[] => [
      [16, inputs],
      [outputs, 16],
    ]),
  ).flat(),
}

export const optimizers: Topic = {
  name: 'optimizers',
  async run(context) {
    const device = openCpu({ threads: context.threads })
    const rows: Row[] = []
    const peer = context.python === null ? null : await startPeer(context.python, context.threads)
    try {
      for (const weights of WEIGHTS) {
        for (const [name, make] of Object.entries(OPTIMIZERS)) {
          const title = `${name}, ${weights.name}`
          if (context.only !== null && !title.includes(context.only)) continue
          context.progress(title)
          rows.push(...(await measure(title, make(), { name, weights, device, peer, context })))
        }
      }
      const title = `soap, ${LORA_16.name}`
      if (context.only === null || title.includes(context.only)) {
        context.progress(title)
        const setting = { name: 'soap', weights: LORA_16, device, peer, context, steps: SOAP_CYCLE }
        rows.push(...(await measure(title, soapOfLora(), setting)))
        rows.push(await soapBesideAdamw(device, context))
      }
    } finally {
      await peer?.[Symbol.asyncDispose]()
    }
    return rows
  },
}

// ---- helpers ----------------------------------------------------------------------------------------------------

interface Setting {
  readonly name: string
  readonly weights: Weights
  readonly device: Device
  readonly peer: Child | null
  readonly context: BenchContext
  /** The mean of so many is a measurement; default: the median of three. */
  readonly steps?: number
}

async function measure(
  title: string,
  transform: GradientTransform,
  { name, weights, device, peer, context: { quick }, steps }: Setting,
): Promise<Row[]> {
  using stepper = openStepper(transform, weights, device)
  const ours = (): number => stepper.measure(steps)
  const turns = { repeat: quick ? 3 : 9, warmup: 1, maxSeconds: quick ? 4 : 12 }
  const row = { name: title, unit: 'ms', floor: null, goal: null, better: 'higher' } as const
  if (peer === null) {
    const { own } = await inTurn({ own: ours }, turns)
    return [{ ...row, ours: median(own) * 1000, peer: null, ratio: null, better: 'lower' }]
  }
  const variants = Object.keys(Object(peer.ready.optimizers)).includes(name)
    ? namesIn(Reflect.get(Object(peer.ready.optimizers), name))
    : []
  const rows: Row[] = []
  for (const variant of variants) {
    const request = JSON.stringify({
      optimizer: name,
      variant,
      shapes: weights.shapes,
      ...(steps ? { steps } : {}),
    })
    const times = await inTurn(
      { own: ours, peer: async () => numberIn(await peer.ask(request), 'seconds') },
      turns,
    )
    rows.push({
      ...row,
      name: `${title}: ${variant}`,
      ours: median(times.own) * 1000,
      peer: median(times.peer) * 1000,
      ratio: medianRatio(times.peer, times.own),
      note: 'times faster',
    })
  }
  return rows
}

/** Not of a peer: what it costs beside the optimizer whose place it takes. */
async function soapBesideAdamw(device: Device, { quick }: BenchContext): Promise<Row> {
  using ours = openStepper(soapOfLora(), LORA_16, device)
  using theirs = openStepper(adamw(decay), LORA_16, device)
  const { own, other } = await inTurn(
    { own: () => ours.measure(SOAP_CYCLE), other: () => theirs.measure(SOAP_CYCLE) },
    { repeat: quick ? 3 : 9, warmup: 1, maxSeconds: quick ? 4 : 12 },
  )
  return {
    name: `soap beside our adamw, ${LORA_16.name}`,
    unit: 'ms',
    ours: median(own) * 1000,
    peer: median(other) * 1000,
    ratio: medianRatio(own, other),
    floor: null,
    goal: 2,
    better: 'lower',
    note: 'times as long',
  }
}

interface Stepper extends Disposable {
  /** Seconds of a step: the mean of `steps`, or the median of three. */
  measure(steps?: number): number
}

function openStepper(transform: GradientTransform, weights: Weights, device: Device): Stepper {
  const parameters = createParameters(weights, device)
  const gradients = flatGradients(parameters)
  for (const [i, { grad, size }] of [...parameters.values()].entries())
    grad?.set(normals(size, 1000 + i, 0.01))
  const state = transform.init(parameters)
  let step = 0
  const once = (): number => {
    step++
    return seconds(() =>
      state.apply({ step, learningRate: 1e-4, gradScale: 1, gradients: gradients?.all, metrics: {} }),
    )
  }
  return {
    measure: (steps) =>
      steps === undefined ? median([once(), once(), once()]) : mean(Array.from({ length: steps }, once)),
    [Symbol.dispose]() {
      state[Symbol.dispose]()
      gradients?.[Symbol.dispose]()
      for (const weight of parameters.values()) weight.dispose()
    },
  }
}

function createParameters({ shapes }: Weights, device: Device): Parameters {
  return new Map(
    shapes.map((shape, i) => [`w${i}`, parameter(tensor(normals(sizeOf(shape), i, 1), { shape, device }))]),
  )
}

function normals(size: number, seed: number, scale: number): Float32Array {
  const random = createRandom(seed, 'optimizers')
  return Float32Array.from({ length: size }, () => scale * random.normal())
}

function startPeer(python: string, threads: number): Promise<Child> {
  const script = fileURLToPath(new URL('optimizers_peer.py', import.meta.url))
  return startChild('optimizers_peer.py', [python, script, '--threads', String(threads)])
}

function namesIn(list: unknown): string[] {
  return Array.isArray(list) ? list.map(String) : []
}
