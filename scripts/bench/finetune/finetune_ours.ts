/**
 * Our side of the end-to-end benchmark; scripts/bench/finetune/finetune_peer.py is the other. It writes no file.
 *
 *   bun scripts/bench/finetune/finetune_ours.ts --model <folder or .gguf> --dtype f32|bf16 --checkpointing 0|1
 *       [--batch 4] [--length 512] [--rank 16] [--steps 20] [--threads 2] [--seed 0]
 *
 * LoRA (rank r, alpha 2 r, no dropout) on all linear layers, AdamW with decay 0.01, clipping at 1, the trainer's own
 * step. Random token ids from a fixed seed. JSON lines, as the peer speaks them: {"ready": true} on start, then "step"
 * → {"seconds", "loss", "gradNorm", "flop", "ops", "peak", "roofline"}, "memory" → {"peakRssBytes", "trainPeakRssBytes", …}, "quit".
 * "ops": seconds by op; "peak": operations a second that the machine reached around the step; "roofline": the
 * share of it that the step can reach, and why; "flop" at the start: what a step's products with frozen weights compute.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { parseArgs } from 'node:util'
import { adamw, chain, clipByGlobalNorm, isQuantized, type Model, TrituneError } from '../../../core/mod.ts'
import { openLibrary } from '../../../core/native/library.ts'
import { openCpu } from '../../../plugins/cpu/device.ts'
import { trainStep } from '../../../plugins/finetune/training/train-step.ts'
import { loadModel } from '../../../plugins/models/mod.ts'
import { int8, nf4, openQuantizer, packLayers } from '../../../plugins/qlora/mod.ts'
import { attachLora } from '../../../plugins/peft/mod.ts'
import { type Part, roofline, workOf } from '../_roofline.ts'
import { randomBatch } from '../_random-step.ts'
import { timeDevice } from '../_timed-device.ts'

const LEARNING_RATE = 2e-4

function readOptions(): {
  model: string
  dtype: 'f32' | 'bf16'
  checkpointing: boolean
  leanMemory: boolean
  quantizer: string
  numbers: Record<string, number>
} {
  const number = (fallback: string): { type: 'string'; default: string } => ({
    type: 'string',
    default: fallback,
  })
  const { values } = parseArgs({
    options: {
      model: { type: 'string' },
      dtype: { type: 'string', default: 'f32' },
      checkpointing: number('0'),
      lean: number('0'),
      quantizer: number('none'),
      batch: number('4'),
      length: number('512'),
      rank: number('16'),
      steps: number('20'),
      threads: number('2'),
      seed: number('0'),
    },
  })
  if (!values.model) throw new Error('--model is missing')
  const { batch, length, rank, steps, threads, seed } = values
  const numbers = Object.fromEntries(
    Object.entries({ batch, length, rank, steps, threads, seed }).map(([k, v]) => [k, Number(v)]),
  )
  return {
    model: values.model,
    dtype: values.dtype === 'bf16' ? 'bf16' : 'f32',
    checkpointing: values.checkpointing === '1',
    leanMemory: values.lean === '1',
    quantizer: values.quantizer,
    numbers,
  }
}

/** VmRSS (now) or VmHWM (peak) of this process, in bytes. Linux only. */
function rss(field: 'VmRSS' | 'VmHWM'): number {
  const found = new RegExp(`^${field}:\\s+(\\d+)`, 'm').exec(readFileSync('/proc/self/status', 'utf8'))
  return Number(found?.[1] ?? 0) * 1024
}

function onAmx(): boolean {
  return openLibrary('cpu').info.isa === 'amx'
}

/** A loop that the products of the step are measured against: its number in tritune.h, and its name. */
interface Peak {
  readonly kind: number
  readonly name: string
}

function peakOf(dtype: 'f32' | 'bf16'): Peak {
  const fma = { kind: 0, name: 'FMA' }
  if (dtype === 'f32') return fma
  if (onAmx()) return { kind: 1, name: 'AMX, fed from memory' }
  const pairs = { kind: 3, name: 'products of bf16 in pairs' }
  try {
    measurePeak(pairs)
    return pairs
  } catch (error) {
    if (error instanceof TrituneError && error.what.includes('not made in pairs')) return fma
    throw error
  }
}

/** Operations a second. */
function measurePeak({ kind }: Peak): number {
  const rate = new Float64Array(1)
  openLibrary('cpu').call.tt_bench_peak(rate, kind, 0, 0.05)
  return rate[0]
}

/** Bytes a second that a copy past the caches reads and writes now: TT_PEAK_MEMCPY. */
function measureCopy(): number {
  const rate = new Float64Array(1)
  openLibrary('cpu').call.tt_bench_peak(rate, 2, 64 << 20, 0.05)
  return rate[0]
}

/** Bytes of the linear layers, and of all weights. */
function weightBytes({ layers, weights }: Pick<Model, 'layers' | 'weights'>): Record<string, number> {
  const linear = [...layers.values()].filter(({ kind }) => kind === 'linear')
  const packed = [...layers.values()].map(({ weight }) => weight).filter(isQuantized)
  const total = (all: readonly { readonly bytes: number }[]): number =>
    all.reduce((sum, { bytes }) => sum + bytes, 0)
  return {
    linearBytes: total(linear.map(({ weight }) => weight)),
    weightBytes: total([...weights.values(), ...packed]),
  }
}

/** Products of activations with frozen weights, forward and back to the input: neither LoRA nor attention. */
function productFlop(
  { layers, head }: Pick<Model, 'layers' | 'head'>,
  { tokens, trained }: { readonly tokens: number; readonly trained: number },
): number {
  const weights = [...layers.values()]
    .filter(({ kind }) => kind === 'linear')
    .reduce((sum, { inputs, outputs }) => sum + inputs * outputs, 0)
  return 4 * (tokens * weights + trained * head.inputs * head.outputs)
}

async function main(): Promise<void> {
  const say = (value: object): void => void process.stdout.write(`${JSON.stringify(value)}\n`)
  const { model: path, dtype, checkpointing, leanMemory, quantizer, numbers } = readOptions()
  const { batch, length, rank, steps, threads, seed } = numbers
  const baseRss = rss('VmRSS')
  let parts: Part[] = []
  const timed = timeDevice(openCpu({ threads }), (...call) => void parts.push(workOf(...call)))
  const { device } = timed
  const packing = { nf4, int8 }[quantizer]
  const pack = packing && packLayers(openQuantizer(packing), dtype)
  using model = loadModel(path, { device, dtype, pack })
  using adapter = attachLora(model, { rank, alpha: 2 * rank, targetModules: 'all-linear', seed })
  using optimizer = chain(clipByGlobalNorm(1), adamw({ weightDecay: 0.01 })).init(adapter.parameters)
  const { parameters } = adapter
  const context = { model, device, parameters, optimizer, checkpointing, leanMemory, seed }
  const batches = Array.from({ length: steps }, (_, i) =>
    randomBatch(model.info.vocabSize, { batch, length, seed: seed + i }),
  )

  // What loading left behind goes back to the system, then the peak counts from here ("5" resets it; Linux only).
  const loadPeakRss = rss('VmHWM')
  Bun.gc(true)
  try {
    writeFileSync('/proc/self/clear_refs', '5')
  } catch {
    // Without it "trainPeakRssBytes" includes loading, which is the stricter number.
  }
  const loop = peakOf(dtype)
  const flop = productFlop(model, { tokens: batch * length, trained: batch * (length - 1) })
  say({
    ready: true,
    dtype,
    checkpointing,
    device: device.description,
    amx: onAmx(),
    peakOf: loop.name,
    flop,
    ...weightBytes(model),
    tokensPerStep: batch * length,
    trainableParameters: [...parameters.values()].reduce((sum, { size }) => sum + size, 0),
  })
  const loadedRss = rss('VmRSS')

  let done = 0
  for await (const line of createInterface({ input: process.stdin })) {
    const command = line.trim().replaceAll('"', '')
    if (command === 'step') {
      const before = measurePeak(loop)
      timed.takeByOp()
      parts = []
      const started = performance.now()
      const { loss, metrics } = trainStep(context, [batches[done % steps]], {
        step: done,
        learningRate: LEARNING_RATE,
      })
      const seconds = (performance.now() - started) / 1000
      const ops = Object.fromEntries(timed.takeByOp())
      const peak = (before + measurePeak(loop)) / 2
      const all = parts.reduce((sum, part) => sum + part.flop, 0)
      const limit = roofline(parts, all, { flop: peak, bytes: measureCopy() })
      say({ seconds, loss, gradNorm: metrics.grad_norm, flop: all, ops, peak, roofline: limit })
      done++
    } else if (command === 'memory') {
      const trainPeakRssBytes = rss('VmHWM')
      const peakRssBytes = Math.max(loadPeakRss, trainPeakRssBytes)
      say({
        peakRssBytes,
        loadPeakRssBytes: loadPeakRss,
        trainPeakRssBytes,
        baseRssBytes: baseRss,
        loadedRssBytes: loadedRss,
        deviceBytes: device.memory(),
      })
    } else if (command === 'quit') return
    else if (command !== '') say({ error: `unknown command "${command}": step, memory or quit` })
  }
}

if (import.meta.main) {
  try {
    await main()
  } catch (error) {
    process.stdout.write(
      `${JSON.stringify({ error: error instanceof Error ? error.message : String(error) })}\n`,
    )
    process.exitCode = 1
  }
}
