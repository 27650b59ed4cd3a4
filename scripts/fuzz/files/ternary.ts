/**
 * `ternary`: trits that anybody wrote: the packings, BitNet checkpoints, GGUF blocks TQ1_0 and TQ2_0, item memories, messages. What is read is
 * trits and no other codes, and computes; what is refused leaves nothing behind.
 */
import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import {
  countLiveTensors,
  type Device,
  headLogits,
  isQuantized,
  type Model,
  noGrad,
  tensorScope,
  useDevice,
} from '../../../core/mod.ts'
import { openCpuOrReference } from '../../../plugins/cpu/mod.ts'
import {
  dequantize,
  ggmlType,
  openGguf,
  quantize,
  readGgufTensor,
  typed,
  writeGguf,
} from '../../../plugins/gguf/mod.ts'
import { createBatch, loadModel } from '../../../plugins/models/mod.ts'
import {
  createItemMemory,
  loadItemMemory,
  packedTrits,
  repackTrits,
  tritCodecs,
  type TritPacking,
  type TritShape,
} from '../../../plugins/ternary/mod.ts'
import { CODEC_NAMES, updateCodec, updateLayout } from '../../../plugins/vsa-optim/mod.ts'
import { seal } from '../../../plugins/vsa-optim/wire/ttgc.ts'
import { expectAnswer } from '../answer.ts'
import { openScratch, type Scratch, seedBytes, seedJson } from '../files.ts'
import { Finding, type Fuzzer } from '../fuzzer.ts'
import { mutateBytes, mutateJson } from '../mutate.ts'
import type { Dice } from '../random.ts'

const PACKINGS = [
  'planes',
  'two_bit',
  'hf_rows',
  'base3',
  'base3_4',
  'tq1_0',
  'tq2_0',
] as const satisfies readonly TritPacking[]
const CHECKPOINTS = ['bitlinear', 'packed-auto', 'autobitlinear', 'online', 'normed', 'model-type'] as const
/** Sizes that a shape may claim. */
const CLAIMS = [0, 1, 3, 4, 5, 255, 256, 512, 2 ** 31, 2 ** 32 + 4, 2 ** 53] as const
/** Bytes that hold no trits somewhere: all bits, pairs of 11, more than five digits to base 3. */
const ILLEGAL = [255, 0b11, 0b1100_0000, 243, 81, 244] as const

const ITEMS = { dims: 100, names: ['a', 'b', 'c'] } as const
const LAYOUT = updateLayout(new Map([['w', { shape: [16, 64] }] as const, ['b', { shape: [64] }] as const]))

type Case = (dice: Dice, scratch: Scratch, device: Device) => void

const CASES: Readonly<Record<string, Case>> = {
  packing(dice) {
    const name = dice.pick(PACKINGS)
    const shape = shapeOf(dice, name)
    const bytes = broken(dice, tritCodecs[name].encode(randomTrits(dice, shape), shape))
    const claimed = dice.chance(0.8) ? shape : { rows: dice.pick(CLAIMS), cols: dice.pick(CLAIMS) }
    const subject = `${bytes.length} bytes of ${name} as ${claimed.rows} × ${claimed.cols}`
    expectAnswer(subject, 1e5 + bytes.length, () => {
      const { trits, scales } = tritCodecs[name].decode(bytes, claimed)
      expectTrits(subject, trits)
      // One matrix has one form; ggml's blocks have more, by their scales, but one product of both.
      if (scales === null) return expectSame(subject, tritCodecs[name].encode(trits, claimed), bytes)
      const values = new Float32Array(trits.length)
      dequantize(ggmlType(name.toUpperCase()), bytes, values, name)
      expectSame(
        subject,
        Array.from(trits, (trit, i) => trit * scales[i >> 8]),
        values,
      )
    })
    const to = dice.pick(PACKINGS)
    expectAnswer(`${subject}, to ${to}`, 1e5 + bytes.length, () =>
      repackTrits(bytes, { from: name, to, ...claimed }),
    )
  },
  checkpoint(dice, scratch, device) {
    const name = dice.pick(CHECKPOINTS)
    const folder = `tests/golden/bitnet/${name}`
    const breaksConfig = dice.chance(0.3)
    const config = seedJson(`${folder}/config.json`)
    const weights = seedBytes(`${folder}/model.safetensors`)
    const text = JSON.stringify(breaksConfig ? brokenConfig(dice, config) : config)
    scratch.write('config.json', text)
    scratch.write('model.safetensors', breaksConfig ? weights : brokenWeights(dice, weights))
    const subject = `${name}${breaksConfig ? `: ${text.slice(0, 2000)}` : ''}`
    const options = { device, writable: dice.chance(0.2) }
    const before = countLiveTensors()
    expectAnswer(subject, 2e5 + weights.length, () => {
      using model = loadModel(scratch.folder, options)
      expectPackedTrits(subject, model)
      compute(model, device)
    })
    if (countLiveTensors() !== before)
      throw new Finding(`${subject}: ${countLiveTensors() - before} tensors are left`)
  },
  gguf(dice, scratch) {
    const path = scratch.write('x.gguf', broken(dice, ggufSeed(dice, scratch)))
    expectAnswer('blocks of a GGUF file', 2e5, () => {
      const file = openGguf(path)
      for (const tensor of file.tensors.values()) readGgufTensor(file, tensor)
    })
  },
  items(dice, scratch, device) {
    const path = join(scratch.folder, 'items.safetensors')
    rmSync(path, { force: true })
    {
      using memory = createItemMemory({ dims: ITEMS.dims, device })
      for (const [seed, name] of ITEMS.names.entries())
        memory.add(name, packedTrits.random({ dims: ITEMS.dims, seed }))
      memory.save(path)
    }
    scratch.write('items.safetensors', brokenWeights(dice, readFileSync(path)))
    expectAnswer('an item memory', 1e5, () => {
      using memory = loadItemMemory(path, { device })
      for (const name of memory.names()) {
        const [found] = memory.nearest(memory.get(name))
        // An item may have become 0, or like another.
        if (!(found.score <= 1.000001)) throw new Finding(`an item is ${found.score} like itself`)
      }
    })
  },
  message(dice) {
    const codec = updateCodec(LAYOUT, { codec: dice.pick(CODEC_NAMES) }, 5)
    const update = Float32Array.from({ length: LAYOUT.length }, () => dice.normal())
    const bytes = broken(dice, codec.encode(update, { round: 1, worker: 2 }))
    // Without the right checksum nothing behind it is looked at.
    const message = bytes.length >= 32 && dice.chance(0.8) ? seal(bytes) : bytes
    expectAnswer(`a message of ${codec.options.codec}`, 1e5 + bytes.length, () => {
      if (!codec.decode(message, 1).update.every(Number.isFinite))
        throw new Finding(`a message of ${codec.options.codec} gave a number that is not finite`)
    })
  },
}

export function ternaryFuzzer(): Fuzzer {
  const scratch = openScratch()
  const { device } = openCpuOrReference({ threads: 2 })
  return {
    run(dice) {
      using _device = useDevice(device)
      CASES[dice.pick(Object.keys(CASES))](dice, scratch, device)
    },
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function shapeOf(dice: Dice, name: TritPacking): TritShape {
  const isBlocks = name === 'tq1_0' || name === 'tq2_0'
  return {
    rows: name === 'hf_rows' ? 4 * dice.between(1, 3) : dice.between(1, 9),
    cols: isBlocks ? 256 * dice.between(1, 3) : dice.between(1, 300),
  }
}

function randomTrits(dice: Dice, { rows, cols }: TritShape): Int8Array {
  return Int8Array.from({ length: rows * cols }, () => dice.between(-1, 1))
}

/** Cut off, changed anywhere, or with a byte that is no trits; now and then as it was. */
function broken(dice: Dice, bytes: Uint8Array): Uint8Array {
  if (dice.chance(0.1)) return bytes
  if (dice.chance(0.5)) return mutateBytes(dice, bytes)
  if (dice.chance(0.3)) return bytes.subarray(0, dice.int(bytes.length))
  return bytes.with(dice.int(bytes.length), dice.pick(ILLEGAL))
}

/** The header of safetensors as bytes, or what lies behind it, where the codes and scales are. */
function brokenWeights(dice: Dice, bytes: Uint8Array): Uint8Array {
  if (dice.chance(0.3)) return mutateBytes(dice, bytes)
  const data = 8 + Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true))
  const changed = Uint8Array.from(bytes)
  for (let n = dice.between(1, 4); n > 0; n--)
    changed[data + dice.int(bytes.length - data)] = dice.chance(0.5) ? dice.pick(ILLEGAL) : dice.int(256)
  return changed
}

/** Most of the time what BitNet has in it. */
function brokenConfig(dice: Dice, config: unknown): unknown {
  if (dice.chance(0.3)) return mutateJson(dice, config)
  const whole = Object(config)
  return { ...whole, quantization_config: mutateJson(dice, whole.quantization_config) }
}

function ggufSeed(dice: Dice, scratch: Scratch): Uint8Array {
  const path = join(scratch.folder, 'seed.gguf')
  const shape = [dice.between(1, 3), 256 * dice.between(1, 2)]
  const values = Float32Array.from({ length: shape[0] * shape[1] }, () => dice.normal())
  writeGguf(path, {
    metadata: new Map([['general.architecture', typed('none')]]),
    tensors: ['TQ1_0', 'TQ2_0'].map((type) => ({
      name: type,
      type: ggmlType(type),
      shape,
      chunks: () => [quantize(ggmlType(type), values, type)],
    })),
  })
  return readFileSync(path)
}

function expectTrits(subject: string, trits: Int8Array): void {
  const bad = trits.find((trit) => trit < -1 || trit > 1)
  if (bad !== undefined) throw new Finding(`${subject}: a trit is ${bad}`)
}

function expectSame(subject: string, again: ArrayLike<number>, first: ArrayLike<number>): void {
  for (let i = 0; i < Math.max(again.length, first.length); i++)
    if (again[i] !== first[i])
      throw new Finding(`${subject}: number ${i} was ${first[i]} and is ${again[i]} again`)
}

function expectPackedTrits(subject: string, model: Model): void {
  for (const { path, weight } of model.layers.values()) {
    if (!isQuantized(weight) || weight.kind !== 'ternary') continue
    const bad = weight.parts.data.toArray().findIndex((byte) => (byte & (byte >> 1) & 0x55) !== 0)
    if (bad >= 0) throw new Finding(`${subject}: ${path} was loaded with a code 3 at byte ${bad}`)
    const scale = weight.parts.scale.item()
    if (!(scale > 0 && scale < Infinity)) throw new Finding(`${subject}: the scale of ${path} is ${scale}`)
  }
}

/** Whatever was let in goes through the kernels. */
function compute(model: Model, device: Device): void {
  using _scope = tensorScope()
  const ids = [1, 2, 3, 4, 5]
  noGrad(() => headLogits(model.head, model.hidden(createBatch({ ids }, device)))).toArray()
}
