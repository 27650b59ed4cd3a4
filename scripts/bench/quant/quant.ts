/**
 * Packing and unpacking against a copy of the plain weight, in turn in one process: bytes that are read and written in a second.
 *
 * Unpacking writes two to eight times what it reads, a copy as much as it reads. Where a machine writes no faster than it copies,
 * that is what limits it: a fill of the result's size, in the same turns, is the roofline.
 */
import {
  type Device,
  dequantizeWeight,
  type FloatDType,
  noGrad,
  quantize4bit,
  quantizeInt8,
  type QuantizedWeight,
  tensorScope,
  type Tensor,
  useDevice,
} from '../../../core/mod.ts'
import { openLibrary } from '../../../core/native/library.ts'
import { openCpu } from '../../../plugins/cpu/device.ts'
import { createMaker } from '../kernels/_kernel-cases.ts'
import { inTurn, median, medianRatio, steadySeconds } from '../_measure.ts'
import { type BenchContext, formatNumber, type Roofline, type Row, type Topic } from '../_topic.ts'

/** A layer of a 7B model: more than the caches hold. */
const ROWS = 4096
const COLS = 4096
/** TT_PEAK_MEMCPY of tritune.h */
const PEAK_MEMCPY = 2
/** TT_F32 of tritune.h */
const DTYPE_F32 = 0
const PEAK_SECONDS = 0.02

interface Packing {
  readonly name: string
  quantize(weight: Tensor): QuantizedWeight
}

const PACKINGS: readonly Packing[] = [
  { name: 'nf4', quantize: (weight) => quantize4bit(weight, { kind: 'nf4', doubleQuant: false }) },
  { name: 'nf4, double', quantize: (weight) => quantize4bit(weight, { kind: 'nf4' }) },
  { name: 'fp4', quantize: (weight) => quantize4bit(weight, { kind: 'fp4', doubleQuant: false }) },
  { name: 'int8', quantize: (weight) => quantizeInt8(weight) },
]

const FLOORS = { quantize: 0.5, dequantize: 1 } as const

export const quant: Topic = {
  name: 'quant',
  async run(context) {
    const device = openCpu({ threads: context.threads })
    const rows: Row[] = []
    for (const dtype of ['f32', 'bf16'] as const)
      for (const packing of PACKINGS)
        for (const direction of ['quantize', 'dequantize'] as const) {
          const name = `${packing.name}: ${direction}, ${dtype}`
          if (context.only !== null && !name.includes(context.only)) continue
          context.progress(name)
          rows.push(await measure(name, { packing, direction, dtype, device, context }))
        }
    return rows
  },
}

interface Setting {
  readonly packing: Packing
  readonly direction: keyof typeof FLOORS
  readonly dtype: FloatDType & ('f32' | 'bf16')
  readonly device: Device
  readonly context: BenchContext
}

async function measure(name: string, { packing, direction, dtype, device, context }: Setting): Promise<Row> {
  using _device = useDevice(device)
  using weight = createMaker(device, dtype).random([ROWS, COLS])
  weight.adopt(null)
  using packed = noGrad(() => packing.quantize(weight))
  const bytes = weight.bytes + packed.bytes
  const once = (): void => {
    using _scope = tensorScope()
    noGrad(() => {
      if (direction === 'dequantize') dequantizeWeight(packed, dtype)
      else packing.quantize(weight)[Symbol.dispose]()
    })
  }
  const { call } = openLibrary('cpu')
  const rate = new Float64Array(1)
  const copy = (): number => {
    call.tt_bench_peak(rate, PEAK_MEMCPY, weight.bytes, PEAK_SECONDS)
    return rate[0]
  }
  const target = device.allocate(weight.bytes)
  using memory = new DisposableStack()
  memory.defer(() => target.free())
  const fillOnce = (): void => {
    call.tt_fill(target.address, weight.bytes / 4, 1, DTYPE_F32, 0)
  }
  const fill = (): number => weight.bytes / steadySeconds(fillOnce, PEAK_SECONDS)
  const rates = await inTurn(
    { fill, ours: () => bytes / steadySeconds(once, PEAK_SECONDS), copy },
    { repeat: context.quick ? 7 : 21, warmup: 2, maxSeconds: context.quick ? 3 : 8 },
  )
  return {
    name,
    ours: median(rates.ours) / 1e9,
    peer: median(rates.copy) / 1e9,
    unit: 'GB/s',
    ratio: medianRatio(rates.ours, rates.copy),
    floor: FLOORS[direction],
    goal: null,
    better: 'higher',
    note: 'a copy',
    ...(direction === 'dequantize' ? { roofline: writeLimit(weight.bytes, bytes, rates) } : {}),
  }
}

/** What is left where only the writing takes time. `rates` in bytes a second, of the same turns. */
function writeLimit(
  written: number,
  bytes: number,
  { fill, copy }: { readonly fill: readonly number[]; readonly copy: readonly number[] },
): Roofline {
  return {
    share: (bytes / written) * medianRatio(fill, copy),
    why: `writing the ${formatNumber(written / 1e6)} MB of the result alone, at the ${formatNumber(median(fill) / 1e9)} GB/s of a fill`,
  }
}
