/**
 * Ops against what the machine reaches now (multiply-adds, AMX tiles, copying memory), measured in turn in one process;
 * and, where a Python is given, against torch.
 */
import { fileURLToPath } from 'node:url'
import { type Device, noGrad, tensorScope, TrituneError } from '../../../core/mod.ts'
import { type NativeLibrary, openLibrary } from '../../../core/native/library.ts'
import { openCpu } from '../../../plugins/cpu/device.ts'
import { type Child, numberIn, startChild } from '../_child.ts'
import { roofline } from '../_roofline.ts'
import { createMaker, KERNEL_CASES, type KernelCase, once } from './_kernel-cases.ts'
import { inTurn, median, medianRatio, seconds } from '../_measure.ts'
import { streamedBytes } from '../../../bench/streamed.ts'
import type { BenchContext, Roofline, Row, Topic } from '../_topic.ts'

// TT_PEAK_* of tritune.h
const PEAK_FMA = 0
const PEAK_AMX = 1
const PEAK_MEMCPY = 2
const PEAK_SECONDS = 0.01

export const kernels: Topic = {
  name: 'kernels',
  async run(context) {
    const device = openCpu({ threads: context.threads })
    const library = openLibrary('cpu')
    const rows: Row[] = []
    for (const dtype of ['f32', 'bf16'] as const) {
      for (const one of KERNEL_CASES) {
        // AdamW is f32 only: once is enough.
        if (dtype === 'bf16' && one.peer?.dtype === 'f32') continue
        if (context.only !== null && !`${one.name}, ${dtype}`.includes(context.only)) continue
        context.progress(`${one.name} ${dtype}`)
        rows.push(...(await measure(one, { dtype, device, library, context })))
      }
    }
    return rows
  },
}

interface Setting {
  readonly dtype: 'f32' | 'bf16'
  readonly device: Device
  readonly library: NativeLibrary
  readonly context: BenchContext
}

async function measure(one: KernelCase, { dtype, device, library, context }: Setting): Promise<Row[]> {
  for (const op of one.ops) {
    if (!device.implementationOf(op))
      throw new TrituneError('E_UNSUPPORTED', `the CPU device has no ${op.name}`, {
        remedy: 'rebuild it with `bun run native`',
      })
  }
  const maker = createMaker(device, dtype)
  const amount = one.amount(dtype)
  // In a step every activation is another one, so ops that move memory go round more of it than the caches hold, and
  // the copy that they are compared with goes round as much.
  const copies = one.bound === 'memory' ? Math.ceil(streamedBytes() / amount) : 1
  const opened = Array.from({ length: copies }, () => noGrad(() => openCase(one, maker)))
  const time = (): number => timeOf(opened)
  const calibrate = peakOf(library, one, dtype, amount * copies)
  const rates = undisturbed(
    await inTurn(
      { ours: () => timed(() => amount / time()), peak: () => timed(() => calibrate.measure()) },
      { repeat: context.quick ? 9 : 25, warmup: 2, maxSeconds: context.quick ? 2 : 8 },
    ),
  )
  const [floor, goal] = one.limits[calibrate.amx ? 'amx' : 'plain']
  const unit = one.bound === 'memory' ? 'GB/s' : 'GFLOP/s'
  const ratio = medianRatio(rates.ours, rates.peak)
  const rows: Row[] = [
    {
      name: `${one.name}, ${dtype}`,
      ours: median(rates.ours) / 1e9,
      peer: median(rates.peak) / 1e9,
      unit,
      ratio,
      floor,
      goal,
      better: 'higher',
      note: calibrate.name,
      roofline:
        floor !== null && ratio < floor ? rooflineOf(library, one, dtype, median(rates.peak)) : undefined,
    },
  ]
  // Torch's side has one set of tensors, so ours has one, too.
  if (context.python && one.peer)
    rows.push(
      await againstTorch(one, dtype, () => timeOf(opened.slice(0, 1)), {
        ...context,
        python: context.python,
      }),
    )
  for (const { tensors } of opened) for (const tensor of tensors) tensor.dispose()
  return rows
}

/** Seconds of one run, over a round of all of them. */
export function timeOf(cases: readonly { body: () => void }[]): number {
  return noGrad(() => seconds(() => once(() => cases.forEach(({ body }) => body())))) / cases.length
}

interface Timed {
  readonly value: number
  /** Times that the system took a core away while it was measured. */
  readonly interruptions: number
}

function timed(measure: () => number): Timed {
  const before = process.resourceUsage().involuntaryContextSwitches
  const value = measure()
  return { value, interruptions: process.resourceUsage().involuntaryContextSwitches - before }
}

/** The rounds in which nobody took a core away, if there are three; else all of them. */
function undisturbed({ ours, peak }: Record<'ours' | 'peak', Timed[]>): Record<'ours' | 'peak', number[]> {
  const clean = ours.flatMap(({ interruptions }, i) =>
    interruptions + peak[i].interruptions === 0 ? [i] : [],
  )
  const rounds = clean.length >= 3 ? clean : [...ours.keys()]
  return { ours: rounds.map((i) => ours[i].value), peak: rounds.map((i) => peak[i].value) }
}

/** The tensors of a case must outlive its runs, and a scope must not be open across an `await`. */
export function openCase(
  one: KernelCase,
  maker: ReturnType<typeof createMaker>,
): { body: () => void; tensors: { dispose(): void }[] } {
  using scope = tensorScope()
  const tensors: { dispose(): void }[] = []
  const body = one.open({
    dtype: maker.dtype,
    random(shape, dtype) {
      const made = scope.keep(maker.random(shape, dtype))
      tensors.push(made)
      return made
    },
    integers(values) {
      const made = scope.keep(maker.integers(values))
      tensors.push(made)
      return made
    },
  })
  return { body, tensors }
}

/** The op's work, one after the other with a copy of what it must move, at the rate of copies of that size. */
function rooflineOf(
  library: NativeLibrary,
  one: KernelCase,
  dtype: 'f32' | 'bf16',
  flopRate: number,
): Roofline | undefined {
  if (!one.moved) return undefined
  const [flop, bytes, rate] = [one.amount(dtype), one.moved(dtype), new Float64Array(1)]
  const rates = Array.from({ length: 5 }, () => {
    library.call.tt_bench_peak(rate, PEAK_MEMCPY, Math.ceil(bytes / 2 / 4096) * 4096, PEAK_SECONDS)
    return rate[0]
  })
  const parts = [
    { flop, bytes: 0 },
    { flop: 0, bytes },
  ]
  return roofline(parts, flop, { flop: flopRate, bytes: median(rates) })
}

function peakOf(
  library: NativeLibrary,
  one: KernelCase,
  dtype: 'f32' | 'bf16',
  amount: number,
): { name: string; amx: boolean; measure(): number } {
  const rate = new Float64Array(1)
  const amx = dtype === 'bf16' && one.bound === 'matrix' && library.info.isa === 'amx'
  const kind = one.bound === 'memory' ? PEAK_MEMCPY : amx ? PEAK_AMX : PEAK_FMA
  // A copy that reads and writes as much as the op does.
  const bytes = one.bound === 'memory' ? Math.ceil(amount / 2 / 4096) * 4096 : 0
  return {
    amx,
    name: one.bound === 'memory' ? 'of memcpy' : amx ? 'of AMX, fed from memory' : 'of FMA',
    measure() {
      library.call.tt_bench_peak(rate, kind, bytes, PEAK_SECONDS)
      return rate[0]
    },
  }
}

/** Seconds of torch and of our op, in turn. */
async function againstTorch(
  one: KernelCase,
  dtype: string,
  time: () => number,
  { python, threads, quick }: BenchContext & { python: string },
): Promise<Row> {
  const command = [
    python,
    fileURLToPath(new URL('kernels_peer.py', import.meta.url)),
    '--threads',
    String(threads),
  ]
  await using torch: Child = await startChild('torch', command)
  const request = JSON.stringify({ dtype, mode: 'both', reps: 5, maxSeconds: 4, ...one.peer })
  const times = await inTurn(
    {
      ours: () => median([time(), time(), time()]),
      peer: async () => numberIn(await torch.ask(request), 'seconds'),
    },
    { repeat: quick ? 2 : 5, warmup: 1, maxSeconds: quick ? 5 : 20 },
  )
  return {
    name: `${one.name}, ${dtype}, torch`,
    ours: median(times.ours) * 1000,
    peer: median(times.peer) * 1000,
    unit: 'ms',
    ratio: medianRatio(times.peer, times.ours),
    floor: 1,
    goal: 1.5,
    better: 'higher',
    note: 'times faster',
  }
}
