/**
 * `gguf`: GGUF files that anybody wrote, opened in every way: listed, decoded, as a model, as a tokenizer, as an adapter, copied into
 * a new one. Broken are bytes anywhere, and numbers where the format has numbers: counts, lengths, types, sizes, offsets.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  copiedTokenizerMetadata,
  ggmlType,
  ggufFamily,
  ggufToHf,
  ggufTokenizer,
  openGguf,
  quantize,
  readGgufLora,
  readGgufTensor,
  typed,
  writeGguf,
  writeGgufLora,
} from '../../../plugins/gguf/mod.ts'
import { openCpuOrReference } from '../../../plugins/cpu/mod.ts'
import { loadModel } from '../../../plugins/models/mod.ts'
import { tensorScope, useDevice } from '../../../core/mod.ts'
import { expectAnswer, expectLinear } from '../answer.ts'
import { openScratch, type Scratch, seedBytes } from '../files.ts'
import { Finding, type Fuzzer } from '../fuzzer.ts'
import { mutateBytes } from '../mutate.ts'
import type { Dice } from '../random.ts'

const GOLDEN = [
  'llama',
  'qwen2',
  'qwen3',
  'types',
  'quants',
  'tokenizer-gpt-2',
  'tokenizer-llama-bpe',
  'tokenizer-qwen2',
  'tokenizer-sentencepiece',
] as const

/** What a 64-bit field may claim. */
const CLAIMS: readonly bigint[] = [
  0n,
  1n,
  2n,
  31n,
  33n,
  255n,
  2n ** 16n,
  2n ** 24n,
  2n ** 31n,
  2n ** 32n - 1n,
  2n ** 32n,
  2n ** 53n - 1n,
  2n ** 53n,
  2n ** 62n,
  2n ** 63n,
  2n ** 64n - 1n,
]

export function ggufFuzzer(): Fuzzer {
  const scratch = openScratch()
  const { device } = openCpuOrReference({ threads: 2 })
  const seeds = [...GOLDEN.map((name) => seedBytes(`tests/golden/gguf/${name}.gguf`)), adapterSeed(scratch)]
  return {
    run(dice) {
      if (dice.chance(0.01)) return growing(dice, scratch)
      const seed = dice.pick(seeds)
      const bytes = dice.chance(0.5) ? mutateBytes(dice, seed) : mutateNumbers(dice, seed)
      const path = scratch.write('x.gguf', bytes)
      const cost = 2e5 + bytes.length
      expectAnswer('listed and decoded', cost, () => {
        const file = openGguf(path)
        for (const tensor of file.tensors.values()) {
          if (tensor.offset < 0 || tensor.offset + tensor.bytes > bytes.length)
            throw new Finding(`the tensor "${tensor.name}" is outside of the file`)
          readGgufTensor(file, tensor)
        }
      })
      expectAnswer('as a model', cost, () => {
        for (const tensor of ggufToHf(openGguf(path)).tensors.values()) tensor.read()
      })
      expectAnswer('as a tokenizer', cost, () => ggufTokenizer(openGguf(path)))
      expectAnswer('as an adapter', cost, () =>
        readGgufLora(openGguf(path), ggufFamily('llama', path), { heads: 4, kvHeads: 2 }),
      )
      expectAnswer('its tokenizer in a new file', cost, () =>
        writeGguf(join(scratch.folder, 'y.gguf'), {
          metadata: new Map(copiedTokenizerMetadata(openGguf(path))),
          tensors: [],
        }),
      )
      expectAnswer('loaded', cost, () => {
        using _device = useDevice(device)
        using _scope = tensorScope()
        loadModel(path, { device })[Symbol.dispose]()
      })
    },
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function adapterSeed(scratch: Scratch): Uint8Array {
  const path = join(scratch.folder, 'adapter.gguf')
  const filled = (length: number): Float32Array => new Float32Array(length).fill(0.5)
  const pair = (
    name: string,
    inputs: number,
    outputs: number,
  ): Parameters<typeof writeGgufLora>[1]['pairs'][number] => ({
    name: `model.layers.0.${name}.weight`,
    rank: 2,
    scale: 2,
    a: filled(2 * inputs),
    b: filled(2 * outputs),
  })
  writeGgufLora(
    path,
    {
      alpha: 4,
      pairs: [
        pair('self_attn.q_proj', 32, 32),
        pair('self_attn.k_proj', 32, 16),
        pair('mlp.up_proj', 32, 64),
      ],
    },
    {
      heads: 4,
      kvHeads: 2,
      family: ggufFamily('llama', path),
      name: 'seed',
      nameOf: (hf) =>
        hf
          .replace('model.layers.0.', 'blk.0.')
          .replace('self_attn.q_proj', 'attn_q')
          .replace('self_attn.k_proj', 'attn_k')
          .replace('mlp.up_proj', 'ffn_up'),
    },
  )
  return readFileSync(path)
}

/** A 32- or 64-bit number somewhere becomes another one. */
function mutateNumbers(dice: Dice, seed: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(seed)
  const view = new DataView(bytes.buffer)
  for (let n = dice.between(1, 3); n > 0; n--) {
    // The counts, or anywhere: numbers are at any place, strings have any length.
    const at = dice.chance(0.2) ? dice.pick([4, 8, 16, 24]) : dice.int(bytes.length - 8)
    if (dice.chance(0.5)) view.setBigUint64(at, dice.pick(CLAIMS), true)
    else view.setUint32(at, dice.pick([0, 1, 8, 9, 12, 14, 34, 35, 99, 2 ** 31, 2 ** 32 - 1]), true)
  }
  return bytes
}

/** Files of many keys, tensors or tokens: the time grows with them and no faster. */
function growing(dice: Dice, scratch: Scratch): void {
  const f32 = ggmlType('F32')
  const makers: Readonly<Record<string, (n: number) => Parameters<typeof writeGguf>[1]>> = {
    keys: (n) => ({
      metadata: new Map(Array.from({ length: n }, (_, i) => [`k${i}`, typed(i)])),
      tensors: [],
    }),
    tensors: (n) => ({
      metadata: new Map(),
      tensors: Array.from({ length: n }, (_, i) => ({
        name: `t${i}`,
        type: f32,
        shape: [1],
        chunks: () => [quantize(f32, Float32Array.of(i), 't')],
      })),
    }),
    tokens: (n) => ({
      metadata: new Map([
        ['tokenizer.ggml.model', typed('gpt2')],
        ['tokenizer.ggml.pre', typed('gpt-2')],
        ['tokenizer.ggml.tokens', typed(Array.from({ length: n }, (_, i) => `t${i}`))],
        ['tokenizer.ggml.merges', typed(Array.from({ length: n }, (_, i) => `t${i} x`))],
      ]),
      tensors: [],
    }),
  }
  const name = dice.pick(Object.keys(makers))
  const path = join(scratch.folder, 'grown.gguf')
  const sizes = new Map<number, Uint8Array>()
  expectLinear(
    `a file of ${name}`,
    (n) => {
      if (!sizes.has(n)) {
        writeGguf(path, makers[name](n))
        sizes.set(n, readFileSync(path))
      }
      return String(n)
    },
    (n) => {
      const opened = scratch.write('x.gguf', sizes.get(Number(n)) ?? new Uint8Array())
      const file = openGguf(opened)
      for (const tensor of file.tensors.values()) readGgufTensor(file, tensor)
      if (name === 'tokens') ggufTokenizer(file)
    },
  )
}
