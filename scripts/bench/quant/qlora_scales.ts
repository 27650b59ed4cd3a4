/**
 * What choices of the scales of nf4 cost, before any training: the error of the weights, and the held-out loss of `qlora_loss.ts`. All of them are
 * bytes that bitsandbytes reads: an absmax need not be the largest magnitude. A line for each.
 *
 *   bun scripts/bench/quant/qlora_scales.ts --model <folder or .gguf> [--only 'block 32'] [--layers 3,17]
 *
 * `--layers`: the weights of these blocks alone, and no loss.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { dynamicMap, NF4, nearestCode } from '../../../core/ops/_codebooks.ts'
import { tensor } from '../../../core/mod.ts'
import { openCpu } from '../../../plugins/cpu/mod.ts'
import { concatenate } from '../../../plugins/data/mod.ts'
import { evaluateLoss, finetuneConfig, prepareRun } from '../../../plugins/finetune/mod.ts'
import { loadModel } from '../../../plugins/models/mod.ts'
import { novelPieces } from './_novel.ts'

interface Choice {
  readonly name: string
  readonly block: number
  /** Double quantization: the scales in 8 bits. */
  readonly nested: boolean
  /** The scale that gives the least squared error, among shares of the largest magnitude. */
  readonly searched: boolean
  /** Negative scales too: the codes of nf4 reach farther on one side. */
  readonly signed?: boolean
}

const CHOICES: readonly Choice[] = [
  { name: 'as bitsandbytes', block: 64, nested: true, searched: false },
  { name: 'searched', block: 64, nested: true, searched: true },
  { name: 'block 32, searched', block: 32, nested: true, searched: true },
  { name: 'block 32', block: 32, nested: true, searched: false },
  {
    name: 'block 32, searched, both signs, scales in f32',
    block: 32,
    nested: false,
    searched: true,
    signed: true,
  },
  { name: 'scales in f32', block: 64, nested: false, searched: false },
]

const HELD_OUT = 24
const LENGTH = 256
const NESTED_BLOCK = 256
/** 0.7 to 1.15 of the largest magnitude. */
const SHARES = Float64Array.from({ length: 19 }, (_, i) => 0.7 + 0.025 * i)

const { values } = parseArgs({
  options: {
    model: { type: 'string' },
    only: { type: 'string' },
    layers: { type: 'string' },
    threads: { type: 'string', default: '0' },
  },
})
const layers = values.layers?.split(',').map(Number)
if (!values.model) throw new Error('--model is missing')
const folder = mkdtempSync(join(tmpdir(), 'tritune-scales-'))
try {
  writeFileSync(join(folder, 'data.jsonl'), novelPieces())
  const device = openCpu({ threads: Number(values.threads) })
  const path = values.model
  const config = finetuneConfig.validate({
    base_model: path,
    adapter: 'lora',
    lora_target_linear: true,
    bf16: true,
    sequence_len: LENGTH,
    sample_packing: true,
    learning_rate: 2e-4,
    max_steps: 1,
    datasets: [{ path: join(folder, 'data.jsonl'), type: 'completion' }],
    val_set_size: HELD_OUT,
    seed: 7,
    output_dir: join(folder, 'out'),
  })
  using run = await prepareRun(config, { device })
  const batches = run.data.validation.map((example) => concatenate([example]))
  for (const choice of CHOICES) {
    if (values.only !== undefined && !choice.name.includes(values.only)) continue
    const error = { squares: 0, of: 0 }
    using model = loadModel(run.modelPath, {
      device,
      dtype: 'bf16',
      pack(place, weight) {
        const block = Number(/\.(\d+)\./.exec(place)?.[1])
        if (layers !== undefined && !layers.includes(block)) return null
        const plain = Float32Array.from(weight.toArray())
        const rounded = roundedBy(plain, choice)
        for (let i = 0; i < plain.length; i++) {
          error.squares += (plain[i] - rounded[i]) ** 2
          error.of += plain[i] ** 2
        }
        return tensor(rounded, { shape: weight.shape, dtype: 'bf16', device })
      },
    })
    const bits = 4 + (choice.nested ? 8 + 32 / NESTED_BLOCK : 32) / choice.block
    const loss = layers ? '' : `  loss ${evaluateLoss({ model, device }, batches).loss.toFixed(4)}`
    console.log(
      `${choice.name.padEnd(46)} ${bits.toFixed(2)} bits  error ${(error.squares / error.of).toFixed(5)}${loss}`,
    )
  }
} finally {
  rmSync(folder, { recursive: true, force: true })
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** What a packed weight stands for. */
function roundedBy(plain: Float32Array, choice: Choice): Float32Array {
  const { block, nested } = choice
  const count = Math.ceil(plain.length / block)
  const wanted = Float32Array.from({ length: count }, (_, b) =>
    scaleOf(plain.subarray(b * block, (b + 1) * block), choice),
  )
  const scales = nested ? nestedScales(wanted) : wanted
  return plain.map((value, i) => {
    const b = Math.floor(i / block)
    return nearest(value / wanted[b]) * scales[b]
  })
}

function scaleOf(values: Float32Array, { searched, signed = false }: Choice): number {
  let largest = 0
  for (const value of values) largest = Math.max(largest, Math.abs(value))
  if (!searched || largest === 0) return largest
  let [best, least] = [largest, Infinity]
  for (const sign of signed ? [1, -1] : [1])
    for (const share of SHARES) {
      const scale = sign * share * largest
      let squares = 0
      for (const value of values) squares += (value - scale * nearest(value / scale)) ** 2
      if (squares < least) [best, least] = [scale, squares]
    }
  return best
}

/** After their mean is taken off, in the codes of bitsandbytes' signed map. */
function nestedScales(scales: Float32Array): Float32Array {
  const map = dynamicMap(true)
  const mean = scales.reduce((sum, scale) => sum + scale, 0) / scales.length
  const found = new Float32Array(scales.length)
  for (let start = 0; start < scales.length; start += NESTED_BLOCK) {
    const part = scales.subarray(start, start + NESTED_BLOCK)
    const largest = part.reduce((most, scale) => Math.max(most, Math.abs(scale - mean)), 0)
    part.forEach((scale, i) => {
      const code = largest === 0 ? 0 : map[nearestCode(map, (scale - mean) / largest)] * largest
      found[start + i] = code + mean
    })
  }
  return found
}

/** The code that is nearest to a value, by halving. */
function nearest(value: number): number {
  let code = 0
  for (let step = 8; step > 0; step >>= 1)
    if (value > (NF4[code + step - 1] + NF4[code + step]) / 2) code += step
  return NF4[code]
}
