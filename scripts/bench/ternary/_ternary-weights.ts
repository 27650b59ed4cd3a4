/**
 * Ternary weights: how fast AbsMean packs them, how large they are, and products with them against our own in f32 and bf16.
 */
import { Disposables } from '../../../core/disposables.ts'
import {
  cast,
  type Device,
  linear,
  linearQuantized,
  noGrad,
  quantizeTernary,
  type Tensor,
  tensorScope,
  useDevice,
} from '../../../core/mod.ts'
import { openLibrary } from '../../../core/native/library.ts'
import { ggmlType } from '../../../plugins/gguf/mod.ts'
import { createMaker } from '../kernels/_kernel-cases.ts'
import { inTurn, median, medianRatio, seconds } from '../_measure.ts'
import type { BenchContext, Row } from '../_topic.ts'

interface Setting {
  readonly device: Device
  readonly context: BenchContext
}

/** A layer of a 7B model. */
const OUT = 4096
const IN = 4096
/** Of the weight that AbsMean packs: larger than the caches in bf16, too. */
const PACKED_OUT = 12_288
/** Weights that one row goes through, one after the other as in a model: more than the caches hold, as one in f32 is. */
const LAYERS = 16
const ROWS = [1, 32, 128, 512]

// TT_PEAK_* of tritune.h
const PEAK_FMA = 0
const PEAK_DOT_INT8 = 4
const PEAK_READ = 5
const PEAK_SECONDS = 0.02

/** One for all, one a row, one for each 256 columns. */
const BLOCKS: readonly (readonly [string, number])[] = [
  ['one scale', 0],
  ['a scale a row', IN],
  ['a scale each 256', 256],
]

export async function ternaryWeights(setting: Setting): Promise<Row[]> {
  using _device = useDevice(setting.device)
  using weight = createMaker(setting.device, 'f32').random([OUT, IN])
  using large = createMaker(setting.device, 'f32').random([PACKED_OUT, IN])
  const wanted = (name: string): boolean =>
    setting.context.only === null || name.includes(setting.context.only)
  const rows: Row[] = []
  for (const [name, block] of BLOCKS)
    for (const dtype of ['f32', 'bf16'] as const) {
      const full = `AbsMean, ${name}, ${dtype}`
      if (!wanted(full)) continue
      using given = noGrad(() => cast(large, dtype))
      rows.push(await absMean(full, given, block, setting))
    }
  for (const [name, block] of BLOCKS)
    for (const count of ROWS) {
      const full = `x·Wᵀ ${IN} → ${OUT}, ${count} ${count === 1 ? 'row' : 'rows'}, ${name}`
      if (wanted(full)) rows.push(...(await product(full, { weight, block, count }, setting)))
    }
  if (wanted('bytes')) rows.push(...sizes(weight))
  return rows
}

/** Bytes a second with each weight read twice, against reading. */
async function absMean(name: string, weight: Tensor, block: number, { context }: Setting): Promise<Row> {
  context.progress(name)
  const once = (): void => noGrad(() => quantizeTernary(weight, { block })[Symbol.dispose]())
  const rates = await inTurn(
    { ours: () => (2 * weight.bytes) / seconds(once), read: () => peak(PEAK_READ, weight.bytes) },
    turns(context),
  )
  return {
    name,
    ours: median(rates.ours) / 1e9,
    peer: median(rates.read) / 1e9,
    unit: 'GB/s',
    ratio: medianRatio(rates.ours, rates.read),
    floor: 0.7,
    goal: 1,
    better: 'higher',
    note: 'two passes, against reading as many bytes; with more than one scale the second is in the cache',
  }
}

interface ProductCase {
  readonly weight: Tensor
  readonly block: number
  readonly count: number
}

async function product(
  name: string,
  { weight, block, count }: ProductCase,
  { device, context }: Setting,
): Promise<Row[]> {
  context.progress(name)
  using owned = new Disposables()
  const packed = Array.from({ length: count === 1 ? LAYERS : 1 }, () =>
    owned.use(noGrad(() => quantizeTernary(weight, { block }))),
  )
  using x = createMaker(device, 'f32').random([count, IN])
  using narrowX = noGrad(() => cast(x, 'bf16'))
  using narrowWeight = noGrad(() => cast(weight, 'bf16'))
  const timed =
    (...runs: (() => Tensor)[]) =>
    (): number =>
      seconds(() => {
        using _inner = tensorScope()
        noGrad(() => {
          for (const run of runs) run()
        })
      }) / runs.length
  const measured = await inTurn(
    {
      f32: timed(() => linear(x, weight)),
      bf16: timed(() => linear(narrowX, narrowWeight)),
      ours: timed(...packed.map((one) => () => linearQuantized(x, one))),
      dots: () => peak(PEAK_DOT_INT8, 0) / peak(PEAK_FMA, 0),
    },
    turns(context),
  )
  const flop = 2 * count * IN * OUT
  const most = median(measured.dots)
  const row = (peer: 'f32' | 'bf16', floor: number): Row => ({
    name: `${name}, against ${peer}`,
    ours: flop / median(measured.ours) / 1e9,
    peer: flop / median(measured[peer]) / 1e9,
    unit: 'Gop/s',
    ratio: medianRatio(measured[peer], measured.ours),
    floor: block === 256 ? null : floor,
    goal: peer === 'f32' && count > 1 ? 8 : null,
    better: 'higher',
    note: `products of bytes run at ${most.toFixed(1)} × those of f32 here`,
  })
  // One row is bound by memory. With more, f32 at its best and bytes at their best are `most` apart.
  return [row('f32', count === 1 ? 10 : Math.min(8, 0.7 * most)), ...(count === 1 ? [] : [row('bf16', 1.5)])]
}

/** How many times smaller than f32, scales counted. */
function sizes(weight: Tensor): Row[] {
  const share = (name: string, ours: number, floor: number | null): Row => ({
    name: `bytes of f32 to those of ${name}`,
    ours,
    peer: null,
    unit: '×',
    ratio: null,
    floor,
    goal: null,
    better: 'higher',
  })
  return [
    ...BLOCKS.map(([name, block]) => {
      using packed = noGrad(() => quantizeTernary(weight, { block }))
      return share(`trits, ${name}`, weight.bytes / packed.bytes, 12)
    }),
    ...(['TQ2_0', 'TQ1_0'] as const).map((name) => {
      const { blockElements, blockBytes } = ggmlType(name)
      return share(name, (4 * blockElements) / blockBytes, 15.5)
    }),
  ]
}

function peak(kind: number, bytes: number): number {
  const rate = new Float64Array(1)
  openLibrary('cpu').call.tt_bench_peak(rate, kind, bytes, PEAK_SECONDS)
  return rate[0]
}

function turns({ quick }: BenchContext): { repeat: number; warmup: number; maxSeconds: number } {
  return { repeat: quick ? 5 : 15, warmup: 1, maxSeconds: quick ? 3 : 10 }
}
