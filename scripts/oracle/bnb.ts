/**
 * Packed weights beside bitsandbytes and transformers: the bytes of tensors over random shapes, checkpoints of transformers that are
 * loaded here, and checkpoints of ours that transformers loads.
 */
import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Checkpoint, openCheckpoint } from '../../core/files/checkpoint.ts'
import {
  cast,
  dequantizeWeight,
  type Device,
  empty,
  headLogits,
  type Model,
  noGrad,
  quantize4bitOp,
  quantize8bit,
  run,
  tensor,
  type Tensor,
  tensorScope,
  TrituneError,
  useDevice,
} from '../../core/mod.ts'
import { tensorDType } from '../../core/files/safetensors.ts'
import { quantizedWeight } from '../../core/tensor/quantized-weight.ts'
import { FP4, NF4 } from '../../core/ops/_codebooks.ts'
import { setTensorBytes } from '../../core/tensor/tensor-bytes.ts'
import { openCpu } from '../../plugins/cpu/mod.ts'
import { loadGptq, saveQuantized } from '../../plugins/finetune/mod.ts'
import { createBatch, loadModel } from '../../plugins/models/mod.ts'
import { fp4, int8, nf4, openQuantizer, packLayers } from '../../plugins/qlora/mod.ts'
import { relativeError, temporaryFolder } from '../../tests/_golden.ts'
import { ROOT } from '../_setup.ts'
import { atMost, formatRow, mustBe, type Row } from './_row.ts'

const SCRIPT = join(ROOT, 'tests/oracle/bnb.py')
const SHAPES = 50

/** True when every row is within its tolerance. */
export async function runBnbOracle(python: string): Promise<boolean> {
  const device = openCpu()
  using temporary = temporaryFolder()
  using _device = useDevice(device)
  console.log(device.description)
  let bad = 0
  for (const row of [
    ...tensorRows(python, join(temporary.path, 'tensors.safetensors')),
    ...checkpointRows(python, temporary.path, device),
  ]) {
    console.log(formatRow(row))
    if (!row.ok) bad++
  }
  return bad === 0
}

// ---- tensors ----------------------------------------------------------------------------------------------------

interface Case {
  readonly shape: [number, number]
  readonly block: number
  readonly offset: number
}

interface Counts {
  /** Bytes or numbers that were compared, and those that differ. */
  all: number
  differ: number
}

function tensorRows(python: string, file: string): Row[] {
  const { cases, versions } = ask<{ cases: Case[]; versions: object }>(python, [
    'tensors',
    file,
    '--count',
    String(SHAPES),
  ])
  console.log(`${JSON.stringify(versions)}; ${SHAPES} random shapes`)
  const checkpoint = openCheckpoint(file)
  const counts = new Map<string, Counts>()
  const borders = new Map<string, number>()
  const compare = (
    name: string,
    got: Tensor,
    expected: Tensor,
    { fold = (byte: number): number => byte, scaled }: CompareOptions = {},
  ): void => {
    const [a, b] = [got, expected].map((one) =>
      (one.dtype === 'u8' || one.dtype === 'i8' ? bytesOf(one) : withoutSign(one)).map(fold),
    )
    const count = counts.get(name) ?? { all: 0, differ: 0 }
    counts.set(name, count)
    count.all += b.length
    for (let i = 0; i < b.length; i++) if (a[i] !== b[i]) count.differ++
    if (scaled) borders.set(name, (borders.get(name) ?? 0) + bordersOf(name, a, b, scaled))
  }
  for (const [i, { shape, block, offset }] of cases.entries()) {
    using _scope = tensorScope()
    const stored = (name: string): Tensor => read(checkpoint, `${i}.${name}`)
    const x = stored('x')
    for (const kind of ['nf4', 'fp4'] as const) {
      const { packed, absmax } = run(quantize4bitOp, { x }, { kind, block })
      // Of an odd number of codes the last half of a byte means nothing.
      const fold = (byte: number, i: number): number => {
        const used = x.size % 2 === 1 && i === packed.size - 1 ? byte & 0xf0 : byte
        return kind === 'fp4' ? oneZero(used) : used
      }
      const scaled = scaledBy(x.toArray(), absmax.toArray(), block, 1)
      compare(`${kind}: codes`, packed, stored(`${kind}.packed`), { fold, scaled })
      compare(`${kind}: scales`, absmax, stored(`${kind}.absmax`))
      const parts = { data: stored(`${kind}.packed`), scale: stored(`${kind}.absmax`) }
      const theirs = quantizedWeight({ kind, shape, parts, block })
      const dtype = x.dtype === 'bf16' ? 'bf16' : 'f32'
      compare(`${kind}: numbers again`, dequantizeWeight(theirs, dtype), stored(`${kind}.numbers`))
    }
    const scales = stored('fp4.absmax')
    const shifted = tensor(scales.toArray().map((value) => Math.fround(value - Math.fround(offset))))
    const nested = quantize8bit(shifted, { block: 256 })
    compare('double quantization: codes', nested.codes, stored('nested.codes'))
    compare('double quantization: scales', nested.absmax, stored('nested.absmax'))
    const eight = openQuantizer(int8).quantize(x)
    if (!('parts' in eight)) throw new Error('not packed')
    const { data, scale } = dataOf(eight)
    const [q, absmax] = [stored('int8.q'), stored('int8.absmax')]
    const half = cast(cast(x, 'f16'), 'f32').toArray()
    compare('int8: codes', data, q, { scaled: scaledBy(half, absmax.toArray(), shape[1], 127) })
    compare('int8: scales', scale, absmax)
  }
  return [...counts].map(([name, { all, differ }]) => {
    const allowed = borders.get(name) ?? 0
    const said = allowed > 0 ? `none, but for ${allowed} numbers on the border of two codes` : 'none'
    return mustBe(
      name,
      `${differ} of ${all}`,
      `bytes that differ: ${said}`,
      differ <= allowed && allowed < all / 1000,
    )
  })
}

interface CompareOptions {
  /** Bytes that mean the same become one. */
  readonly fold?: ((byte: number, index: number) => number) | undefined
  /** The numbers behind the codes, over their scales. */
  readonly scaled?: Float64Array
}

function scaledBy(x: Float32Array, scales: Float32Array, block: number, factor: number): Float64Array {
  return Float64Array.from(x, (value, i) => (value * factor) / scales[Math.floor(i / block)])
}

/** Differing codes whose number lies on the border between two, as far as an f32 product or quotient can tell. */
function bordersOf(name: string, ours: Uint8Array, theirs: Uint8Array, scaled: Float64Array): number {
  let count = 0
  for (let i = 0; i < ours.length; i++) {
    if (ours[i] === theirs[i]) continue
    const places = name.startsWith('int8') ? [i] : [2 * i, 2 * i + 1]
    if (places.some((at) => at < scaled.length && isBorder(name, scaled[at]))) count++
  }
  return count
}

function isBorder(name: string, value: number): boolean {
  if (name.startsWith('int8')) return Math.abs(Math.abs(value - Math.trunc(value)) - 0.5) < 1e-5
  const map = [...(name.startsWith('nf4') ? NF4 : FP4)].toSorted((a, b) => a - b)
  return map.some((code, k) => k > 0 && Math.abs(value - (code + map[k - 1]) / 2) < 1e-6)
}

function dataOf(packed: object): { readonly data: Tensor; readonly scale: Tensor } {
  return Reflect.get(packed, 'parts')
}

function oneZero(byte: number): number {
  const zero = (code: number): number => (code === 8 ? 0 : code)
  return (zero(byte >> 4) << 4) | zero(byte & 15)
}

/** −0 is 0. */
function withoutSign(made: Tensor): Uint8Array {
  return new Uint8Array(Float32Array.from(made.toArray(), (value) => value + 0).buffer)
}

function bytesOf(made: Tensor): Uint8Array {
  const host = made.host()
  return new Uint8Array(host.buffer, host.byteOffset, host.byteLength)
}

function read(checkpoint: Checkpoint, name: string): Tensor {
  const entry = checkpoint.entries.get(name)
  if (!entry) throw new TrituneError('E_FORMAT', `the script wrote no ${name}`)
  const made = empty(entry.shape, { dtype: tensorDType(entry) })
  setTensorBytes(made, checkpoint.read(entry))
  return made
}

// ---- checkpoints ------------------------------------------------------------------------------------------------

interface Logits {
  readonly ids: number[]
  readonly logits: Readonly<Record<string, number[]>>
}

/** With x rounded, one number that falls to the other side changes all after it; and transformers rounds f16. */
const TOLERANCE: Readonly<Record<string, number>> = { 'int8, x rounded': 0.05 }
const EXACT = 1e-5

function* checkpointRows(python: string, folder: string, device: Device): Generator<Row> {
  const theirs = join(folder, 'theirs')
  mkdirSync(theirs)
  ask(python, ['checkpoints', theirs])
  const { ids, logits }: Logits = JSON.parse(readFileSync(join(theirs, 'logits.json'), 'utf8'))
  for (const [name, expected] of Object.entries(logits)) {
    const stored = join(theirs, name.replace(/,.*$/, ''))
    const got = logitsOf(name === 'int8' ? withoutRounding(stored) : stored, ids, device)
    yield atMost(
      `transformers' ${name}, loaded here: logits`,
      relativeError(got, expected),
      TOLERANCE[name] ?? EXACT,
    )
  }
  const plain = join(theirs, 'plain')
  const packedBy = (...made: Parameters<typeof openQuantizer>): Model =>
    loadModel(plain, { device, pack: packLayers(openQuantizer(...made), 'f32') })
  const texts = Array.from({ length: 16 }, (_, row) =>
    Array.from({ length: 32 }, (_, i) => (row * 41 + i * i) % 96),
  )
  for (const [name, make] of [
    ['nf4', () => packedBy(nf4)],
    ['fp4', () => packedBy(fp4, { double_quant: false })],
    ['nf4 by GPTQ', () => loadGptq(plain, texts, { device, block: 32 })],
    ['int8', () => packedBy(int8)],
  ] as const) {
    const written = join(folder, `ours-${name.replaceAll(' ', '-')}`)
    {
      using model = make()
      saveQuantized(model, plain, written, { maxShardBytes: 2e5 })
    }
    const answer = ask<{ logits: number[]; packed: number }>(python, ['logits', written])
    yield mustBe(
      `ours in ${name}: layers that transformers has packed`,
      `${answer.packed} of 21`,
      'all',
      answer.packed === 21,
    )
    const got = logitsOf(name === 'int8' ? withoutRounding(written) : written, ids, device)
    yield atMost(
      `ours in ${name}, loaded by transformers: logits`,
      relativeError(got, answer.logits),
      TOLERANCE[name] ?? EXACT,
    )
  }
}

/** The same weights, with a threshold that every column reaches: what meets them is not rounded. */
function withoutRounding(folder: string): string {
  const copy = `${folder}-exact`
  cpSync(folder, copy, { recursive: true })
  const file = join(copy, 'config.json')
  writeFileSync(file, readFileSync(file, 'utf8').replace(/("llm_int8_threshold": )[\d.]+/, '$11e-30'))
  return copy
}

function logitsOf(folder: string, ids: readonly number[], device: Device): Float32Array {
  using model = loadModel(folder, { device, dtype: 'f32' })
  using _scope = tensorScope()
  return noGrad(() => headLogits(model.head, model.hidden(createBatch({ ids }, device))).toArray())
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** The last line that the script prints is JSON. */
function ask<T>(python: string, args: readonly string[]): T {
  const { status, stdout, stderr, error } = spawnSync(python, [SCRIPT, ...args], {
    encoding: 'utf8',
    maxBuffer: 1 << 28,
  })
  if (status === 0) return JSON.parse(stdout.trim().split('\n').at(-1) ?? '')
  throw new TrituneError('E_USAGE', `${args[0]} failed: ${error?.message ?? stderr.trim().slice(-800)}`, {
    place: SCRIPT,
    remedy:
      '`pip install torch transformers accelerate bitsandbytes` in a virtual environment, named with --python',
  })
}
