/**
 * Mixtures of experts: a whole training step against transformers and PEFT, in turn, on the same two models of random weights in f32.
 *
 * Each with a LoRA on attention alone (the experts frozen), and on all experts as well (`target_parameters`). A step is 512 tokens. The peer
 * has its own default for everything.
 */
import { fileURLToPath } from 'node:url'
import { Disposables } from '../../../core/disposables.ts'
import { adamw, chain, clipByGlobalNorm } from '../../../core/mod.ts'
import { openLibrary } from '../../../core/native/library.ts'
import { openCpu } from '../../../plugins/cpu/device.ts'
import { trainStep } from '../../../plugins/finetune/training/train-step.ts'
import { attachLora } from '../../../plugins/peft/mod.ts'
import { type Child, numberIn, startChild } from '../_child.ts'
import { inTurn, median, medianRatio } from '../_measure.ts'
import { workOf } from '../_roofline.ts'
import { createRandomModel, type ModelShape, randomBatch } from '../_random-step.ts'
import { timeDevice, type TimedDevice } from '../_timed-device.ts'
import type { BenchContext, Row, Topic } from '../_topic.ts'

const [DOCUMENTS, LENGTH] = [1, 512]
const LEARNING_RATE = 1e-4

const COMMON = {
  hidden_size: 512,
  num_hidden_layers: 4,
  num_attention_heads: 8,
  num_key_value_heads: 4,
  head_dim: 64,
  vocab_size: 8192,
  max_position_embeddings: 2048,
  tie_word_embeddings: false,
} as const

/** Few large experts, and many small ones. */
const SHAPES: readonly ModelShape[] = [
  {
    ...COMMON,
    model_type: 'mixtral',
    intermediate_size: 1024,
    num_local_experts: 8,
    num_experts_per_tok: 2,
    sliding_window: null,
  },
  {
    ...COMMON,
    model_type: 'qwen3_moe',
    intermediate_size: 1024,
    moe_intermediate_size: 256,
    num_experts: 32,
    num_experts_per_tok: 4,
    norm_topk_prob: true,
  },
]

const ATTENTION = ['q_proj', 'k_proj', 'v_proj', 'o_proj']
const EXPERTS = ['mlp.experts.gate_up_proj', 'mlp.experts.down_proj']
const TARGETS = [
  // Products with frozen weights and nothing else: both sides are near what the machine computes.
  { name: 'LoRA on attention alone', targetParameters: [], floor: 1 },
  { name: 'LoRA on attention and experts', targetParameters: EXPERTS, floor: 2 },
] as const

export const moe: Topic = {
  name: 'moe',
  async run(context) {
    const rows: Row[] = []
    for (const shape of SHAPES) {
      const cases = TARGETS.map((target) => ({
        ...target,
        name: `${String(shape.model_type)}: ${target.name}`,
      }))
      const wanted = cases.filter(({ name }) => context.only === null || name.includes(context.only))
      if (wanted.length > 0) rows.push(...(await compareAll(shape, wanted, context)))
    }
    return rows
  },
}

// ---- helpers ----------------------------------------------------------------------------------------------------

interface Case {
  readonly name: string
  readonly targetParameters: readonly string[]
  readonly floor: number
}

async function compareAll(shape: ModelShape, cases: readonly Case[], context: BenchContext): Promise<Row[]> {
  const { threads, python } = context
  await using open = new AsyncDisposableStack()
  const work = { flop: 0 }
  const timed = timeDevice(openCpu({ threads }), (op, inputs, outputs) => {
    work.flop += workOf(op, inputs, outputs).flop
  })
  const peer = python === null ? null : open.use(await startPeer(python, shape, context))
  const rows: Row[] = []
  for (const one of cases) rows.push(...(await compare(one, { shape, timed, work, peer }, context)))
  return rows
}

interface Sides {
  readonly shape: ModelShape
  readonly timed: TimedDevice
  /** Operations of products and attention since the last step. */
  readonly work: { flop: number }
  readonly peer: Child | null
}

async function compare(
  { name, targetParameters, floor }: Case,
  { shape, timed, work, peer }: Sides,
  { quick, progress }: BenchContext,
): Promise<Row[]> {
  using open = new Disposables()
  const { device } = timed
  const model = open.use(createRandomModel(shape, device, 'f32'))
  const adapter = open.use(
    attachLora(model, { rank: 16, alpha: 32, targetModules: ATTENTION, targetParameters }),
  )
  const { parameters } = adapter
  const optimizer = open.use(chain(clipByGlobalNorm(1), adamw()).init(parameters))
  const batch = randomBatch(shape.vocab_size, { batch: DOCUMENTS, length: LENGTH, seed: 0 })
  const step = { model, device, parameters, optimizer, checkpointing: false, seed: 0 }
  const fields = { ...adapter.config, target_modules: ATTENTION }
  if (peer !== null) await peer.ask(JSON.stringify(fields))
  const spent = new Map<string, number>()
  let done = 0
  const programs: Record<string, () => Promise<number>> = {
    ours: async () => {
      timed.takeByOp()
      work.flop = 0
      const started = performance.now()
      trainStep(step, [batch], { step: done++, learningRate: LEARNING_RATE })
      const seconds = (performance.now() - started) / 1000
      for (const [op, own] of timed.takeByOp()) spent.set(op, (spent.get(op) ?? 0) + own)
      progress(`${name}: ${seconds.toFixed(2)} s`)
      return seconds
    },
  }
  if (peer !== null)
    programs['peer'] = async () => {
      const seconds = numberIn(await peer.ask('step'), 'seconds')
      progress(`${name}: transformers ${seconds.toFixed(2)} s`)
      return seconds
    }
  const { ours, peer: theirs } = await inTurn(programs, { repeat: quick ? 3 : 7, warmup: quick ? 1 : 2 })
  return [
    {
      name,
      ours: 1000 * median(ours),
      peer: theirs ? 1000 * median(theirs) : null,
      unit: 'ms',
      ratio: theirs ? medianRatio(theirs, ours) : null,
      floor: theirs ? floor : null,
      goal: theirs ? 2 : null,
      better: 'higher',
      note: `${most(spent)}; ${leastTime(work.flop)}`,
    },
  ]
}

async function startPeer(
  python: string,
  shape: ModelShape,
  { threads, progress }: BenchContext,
): Promise<Child> {
  progress(`${String(shape.model_type)}: starting transformers`)
  const script = fileURLToPath(new URL('adapters_peer.py', import.meta.url))
  const numbers = ['--batch', DOCUMENTS, '--length', LENGTH, '--threads', threads].map(String)
  return startChild('transformers', [python, script, '--shape', JSON.stringify(shape), ...numbers])
}

const PEAK_FMA = 0
const PEAK_SECONDS = 0.2

/** What the products and the attention of a step would take at what the machine reaches now with multiply-adds alone. */
function leastTime(flop: number): string {
  const rate = new Float64Array(1)
  openLibrary('cpu').call.tt_bench_peak(rate, PEAK_FMA, 0, PEAK_SECONDS)
  const [ms, giga] = [(1000 * flop) / rate[0], rate[0] / 1e9]
  return `${(flop / 1e9).toFixed(1)} GFLOP of products and attention, ${ms.toFixed(0)} ms at the ${giga.toFixed(0)} GFLOP/s of FMA`
}

/** Where the time inside of ops goes. */
function most(spent: ReadonlyMap<string, number>): string {
  const inside = [...spent.values()].reduce((sum, one) => sum + one, 0)
  return [...spent]
    .toSorted(([, a], [, b]) => b - a)
    .slice(0, 6)
    .map(([op, seconds]) => `${op} ${((100 * seconds) / inside).toFixed(0)} %`)
    .join(', ')
}
