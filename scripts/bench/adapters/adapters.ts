/**
 * Every adapter: a whole training step over one of plain LoRA on the same model, and over PEFT's step of the same method, in turn.
 *
 * The model is a llama of SmolLM2-135M's shape with random weights, f32, the adapter on all linear layers, a step 4 × 512 tokens
 * (--quick: a fifth of the model, 2 × 512 tokens).
 * The methods are those of plugins/peft/methods/methods.ts, with rank 16 or else their defaults.
 */
import { fileURLToPath } from 'node:url'
import { Disposables } from '../../../core/disposables.ts'
import {
  activateAdapters,
  adamw,
  type AnyAdapterDefinition,
  chain,
  clipByGlobalNorm,
  type Model,
} from '../../../core/mod.ts'
import { openCpu } from '../../../plugins/cpu/device.ts'
import type { Batch } from '../../../plugins/data/mod.ts'
import { trainStep } from '../../../plugins/finetune/training/train-step.ts'
import { attachAdapter, peft } from '../../../plugins/peft/mod.ts'
import { type Child, numberIn, startChild } from '../_child.ts'
import { inTurn, median, medianRatio } from '../_measure.ts'
import {
  createRandomModel,
  FIFTH_SHAPE,
  type LlamaShape,
  randomBatch,
  SMOLLM2_SHAPE,
} from '../_random-step.ts'
import { timeDevice, type TimedDevice } from '../_timed-device.ts'
import type { BenchContext, Row, Topic } from '../_topic.ts'

const LENGTH = 512
const LEARNING_RATE = 1e-4

/** Options besides the defaults: rank 16, as plain LoRA has here; AdaLoRA in the middle of giving up. */
const OPTIONS: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  lora: { rank: 16, alpha: 32 },
  dora: { rank: 16, alpha: 32 },
  adalora: { init_r: 16, target_r: 8, total_step: 1000 },
  loha: { r: 16, alpha: 16 },
  lokr: { r: 16, alpha: 16 },
  miss: { r: 16 },
  'trainable-tokens': { token_indices: Array.from({ length: 16 }, (_, i) => i) },
}

/** What is no method of linear layers. */
const TARGETS: Readonly<Record<string, readonly string[]>> = { 'trainable-tokens': ['embed_tokens'] }

/** How many LoRA steps one step may take. */
const LIMITS: Readonly<Record<string, number>> = {
  dora: 1.25,
  oft: 1.3,
  adalora: 1.3,
  loha: 1.5,
  lokr: 1.5,
  boft: 2,
}

export const adapters: Topic = {
  name: 'adapters',
  async run(context) {
    const { quick, threads, python, only, progress } = context
    const [shape, documents] = quick ? [FIFTH_SHAPE, 2] : [SMOLLM2_SHAPE, 4]
    await using open = new AsyncDisposableStack()
    const timed = timeDevice(openCpu({ threads }))
    const model = open.use(createRandomModel(shape, timed.device, 'f32'))
    const batch = randomBatch(shape.vocab_size, { batch: documents, length: LENGTH, seed: 0 })
    const side = { model, timed, batch }
    const peer = python === null ? null : open.use(await startPeer(python, shape, { documents, threads }))
    const lora = open.use(startMethod(side, 'lora', peft.provides.adapter.lora))
    const rows: Row[] = []
    const methods: Readonly<Record<string, AnyAdapterDefinition>> = peft.provides.adapter
    // Before an hour is spent on those that come first.
    for (const [name, { options }] of Object.entries(methods)) options.validate(OPTIONS[name] ?? {})
    for (const [name, definition] of Object.entries(methods)) {
      if (only !== null && name !== only && (Object.hasOwn(methods, only) || !name.includes(only))) continue
      progress(name)
      using method = name === 'lora' ? borrowed(lora) : startMethod(side, name, definition)
      rows.push(...(await compare({ name, method, lora, peer, tokens: documents * LENGTH }, context)))
    }
    return rows
  },
}

// ---- helpers ----------------------------------------------------------------------------------------------------

interface Side {
  readonly model: Model
  readonly timed: TimedDevice
  readonly batch: Batch
}

/** A method on the model; others may be there too, and wait. */
interface Method extends Disposable {
  /** What adapter_config.json says of it. */
  readonly config: Readonly<Record<string, unknown>>
  /** Seconds of one step, and those inside of ops. */
  step(): { readonly seconds: number; readonly ops: ReadonlyMap<string, number> }
}

function startMethod({ model, timed, batch }: Side, name: string, definition: AnyAdapterDefinition): Method {
  const open = new Disposables()
  const options = definition.options.validate(OPTIONS[name] ?? {})
  const targetModules = TARGETS[name] ?? 'all-linear'
  const targets = 'createForModel' in definition ? {} : { targetModules }
  const adapter = open.use(attachAdapter(model, definition, options, { ...targets, name }))
  const { parameters } = adapter
  const optimizer = open.use(adapter.around(chain(clipByGlobalNorm(1), adamw())).init(parameters))
  const { device } = timed
  const context = { model, device, parameters, optimizer, checkpointing: false, seed: 0 }
  let step = 0
  return {
    config: adapter.config,
    step() {
      activateAdapters(model, [name])
      timed.takeByOp()
      const started = performance.now()
      trainStep(context, [batch], { step: step++, learningRate: LEARNING_RATE })
      return { seconds: (performance.now() - started) / 1000, ops: timed.takeByOp() }
    },
    [Symbol.dispose]: () => open.dispose(),
  }
}

/** The same, which somebody else disposes. */
function borrowed(method: Method): Method {
  return { ...method, [Symbol.dispose]() {} }
}

async function startPeer(
  python: string,
  shape: LlamaShape,
  { documents, threads }: { readonly documents: number; readonly threads: number },
): Promise<Child> {
  const script = fileURLToPath(new URL('adapters_peer.py', import.meta.url))
  const numbers = ['--batch', documents, '--length', LENGTH, '--threads', threads].map(String)
  return startChild('torch', [python, script, '--shape', JSON.stringify(shape), ...numbers])
}

interface Comparison {
  readonly name: string
  readonly method: Method
  readonly lora: Method
  readonly peer: Child | null
  /** Of a step. */
  readonly tokens: number
}

async function compare(
  { name, method, lora, peer, tokens }: Comparison,
  context: BenchContext,
): Promise<Row[]> {
  const { quick, progress } = context
  const theirs = peer === null ? null : await peer.ask(JSON.stringify(method.config))
  const spent = new Map<string, number>()
  const programs: Record<string, () => Promise<number>> = {
    lora: async () => lora.step().seconds,
    [name]: async () => {
      const { seconds, ops } = method.step()
      for (const [op, own] of ops) spent.set(op, (spent.get(op) ?? 0) + own)
      progress(`${name}: ${seconds.toFixed(2)} s`)
      return seconds
    },
  }
  if (peer !== null && theirs?.ready === true)
    programs['PEFT'] = async () => {
      const seconds = numberIn(await peer.ask('step'), 'seconds')
      progress(`${name}: PEFT ${seconds.toFixed(2)} s`)
      return seconds
    }
  const { [name]: ours, lora: plain, PEFT: peers } = await inTurn(programs, { repeat: quick ? 3 : 5 })
  const rows: Row[] = []
  if (name !== 'lora')
    rows.push({
      name: `${name}: step over LoRA's`,
      ours: 1000 * median(ours),
      peer: 1000 * median(plain),
      unit: 'ms',
      ratio: medianRatio(ours, plain),
      floor: LIMITS[name] ?? null,
      goal: null,
      better: 'lower',
      note: most(spent),
    })
  if (peers)
    rows.push({
      name: `${name}: speed, PEFT`,
      ours: tokens / median(ours),
      peer: tokens / median(peers),
      unit: 'tokens/s',
      ratio: medianRatio(peers, ours),
      floor: 1,
      goal: 2,
      better: 'higher',
    })
  else if (theirs) progress(`${name}: PEFT has none: ${String(theirs.why)}`)
  return rows
}

/** Where the time inside of ops goes. */
function most(spent: ReadonlyMap<string, number>): string {
  const total = spent.values().reduce((sum, one) => sum + one, 0)
  return [...spent]
    .toSorted(([, a], [, b]) => b - a)
    .slice(0, 5)
    .map(([op, seconds]) => `${op} ${((100 * seconds) / total).toFixed(0)} %`)
    .join(', ')
}
