/**
 * `bun run bench ops`: the kernel cases as a mitata suite, one group an op; and with --agree the same ops by mitata and by the in-turn
 * harness, side by side.
 */
import { measure, run } from 'mitata'
import { benchOp, type OpBench, streamedBytes } from '../../../bench/mod.ts'
import { openOp } from '../../../bench/bench-op.ts'
import { noGrad, TrituneError } from '../../../core/mod.ts'
import { openCpu } from '../../../plugins/cpu/mod.ts'
import { caseInputs, runCase } from '../../../testing/ops/op-case.ts'
import { OP_CASES } from '../../../testing/ops/ops.ts'
import { numberIn, startChild } from '../_child.ts'
import { createMaker, KERNEL_CASES, type KernelCase } from './_kernel-cases.ts'
import { openCase, timeOf } from './kernels.ts'
import { inTurn, median, medianRatio } from '../_measure.ts'
import type { BenchContext } from '../_topic.ts'
import { fileURLToPath } from 'node:url'

/** Of mitata: https://github.com/evanwashere/mitata */
export const FORMATS = ['mitata', 'json', 'markdown', 'quiet'] as const
export type Format = (typeof FORMATS)[number]

export interface OpsOptions {
  /** mitata's own: a regular expression on the names of the groups. */
  readonly filter: string | null
  readonly format: Format
  /** The TypeScript reference beside ops that move memory; seconds for each run. */
  readonly reference: boolean
  /** Every case of the op table instead: small, for what a call costs. */
  readonly table: boolean
}

/** `rms_norm, f32` and the like, the case, and the dtype. */
function named(): { readonly name: string; readonly one: KernelCase; readonly dtype: 'f32' | 'bf16' }[] {
  return KERNEL_CASES.flatMap((one) =>
    (['f32', 'bf16'] as const)
      // AdamW is f32 only.
      .filter((dtype) => dtype === 'f32' || one.peer?.dtype !== 'f32')
      .map((dtype) => ({ name: `${one.name}, ${dtype}`, one, dtype })),
  )
}

/** Groups of the cases that the filter lets through. */
export async function benchOps(options: OpsOptions, context: BenchContext): Promise<void> {
  const device = openCpu({ threads: context.threads })
  const filter = regular(options.filter)
  const opened: OpBench[] = []
  if (options.table)
    for (const op of OP_CASES) {
      if (!filter.test(op.name)) continue
      opened.push(
        benchOp(op.name, {
          device,
          reference: true,
          open({ device: on }) {
            const inputs = caseInputs(op, { dtype: 'f32', device: on })
            for (const input of Object.values(inputs)) input.adopt(null)
            return () => runCase(op, inputs).outputs
          },
        }),
      )
    }
  else
    for (const { name, one, dtype } of named()) {
      if (!filter.test(name)) continue
      const isStream = one.bound === 'memory'
      opened.push(
        benchOp(name, {
          device,
          dtype,
          open: (make) => one.open(make),
          ...(isStream ? { bytes: one.amount(dtype), reference: options.reference } : {}),
        }),
      )
    }
  if (opened.length === 0)
    throw new TrituneError('E_USAGE', `--filter ${options.filter}: no op has such a name`, {
      remedy:
        'the names are those of `bench kernels`, such as "rope, bf16"; with --table those of the op table',
    })
  await run({ format: options.format, colors: process.stdout.isTTY })
  for (const one of opened) one[Symbol.dispose]()
  if (context.python && !options.table && options.format === 'mitata')
    await torchBeside({ ...context, python: context.python }, filter)
}

/**
 * What two ways to measure say of ops that fit no cache, taken in turn; false when the median of the pairs is more than 20 % apart.
 * Both are means over calls: of mitata's samples, and over each round of the harness.
 */
export async function agree(context: BenchContext): Promise<boolean> {
  const device = openCpu({ threads: context.threads })
  const cases = named().filter(({ name }) => AGREE.includes(name) && name.includes(context.only ?? ''))
  const lines: string[] = []
  let isClose = cases.length > 0
  for (const { name, one, dtype } of cases) {
    context.progress(name)
    const amount = one.amount(dtype)
    using opened = openOp(name, { device, dtype, bytes: amount, open: (make) => one.open(make) })
    const maker = createMaker(device, dtype)
    const copies = Math.ceil(streamedBytes() / amount)
    const round = Array.from({ length: copies }, () => noGrad(() => openCase(one, maker)))
    const { mitata, harness } = await inTurn(
      {
        mitata: async () => amount / (await measure(opened.ours, MITATA)).avg, // bytes a nanosecond
        harness: () => amount / timeOf(round) / 1e9,
      },
      { repeat: PAIRS, warmup: 2 },
    )
    for (const { tensors } of round) for (const tensor of tensors) tensor.dispose()
    const ratio = medianRatio(mitata, harness)
    isClose &&= ratio > 1 / 1.2 && ratio < 1.2
    const numbers = [median(mitata), median(harness)].map((rate) => rate.toFixed(1).padStart(8))
    lines.push(`${name.padEnd(28)} ${numbers.join(' ')}  ${ratio.toFixed(2)}`)
  }
  console.log(`${`GB/s, ${PAIRS} pairs`.padEnd(28)} ${'mitata'.padStart(8)} ${'in turn'.padStart(8)}  ratio`)
  console.log(lines.join('\n'))
  console.log(isClose ? 'both agree within 20 %' : 'they do not agree within 20 %')
  return isClose
}

// ---- helpers ----------------------------------------------------------------------------------------------------

const PAIRS = 25
/** As long as a round of the harness, or so. */
const MITATA = { min_cpu_time: 5e7, min_samples: 24 } as const
const AGREE: readonly string[] = ['rms_norm, f32', 'swiglu, f32', 'adamw, 4.9 M parameters, f32']

function regular(filter: string | null): RegExp {
  try {
    return new RegExp(filter ?? '')
  } catch (cause) {
    throw new TrituneError('E_USAGE', `--filter: ${cause instanceof Error ? cause.message : String(cause)}`, {
      cause,
    })
  }
}

/** Torch measures itself, in a process of its own: its medians under mitata's table. */
async function torchBeside(
  { python, threads, quick }: BenchContext & { readonly python: string },
  filter: RegExp,
): Promise<void> {
  const cases = named().filter(({ name, one }) => one.peer && filter.test(name))
  if (cases.length === 0) return
  const script = fileURLToPath(new URL('kernels_peer.py', import.meta.url))
  await using torch = await startChild('torch', [python, script, '--threads', String(threads)])
  console.log('\ntorch, median of its own runs (a claim beside ours: bench kernels --python)')
  for (const { name, one, dtype } of cases) {
    const request = JSON.stringify({ dtype, mode: 'both', reps: quick ? 3 : 9, maxSeconds: 8, ...one.peer })
    const seconds = numberIn(await torch.ask(request), 'seconds')
    console.log(`${name.padEnd(40)} ${(seconds * 1000).toFixed(2)} ms`)
  }
}
