/**
 * `checkpoints`: what is read from a disk and was written by anybody: models, adapters, GGUF files, states of runs.
 */
import { cpSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { openCpuOrReference } from '../../../plugins/cpu/mod.ts'
import { readTrainingState } from '../../../plugins/finetune/checkpoints/training-state.ts'
import { ggufToHf, ggufTokenizer, openGguf, readGgufTensor } from '../../../plugins/gguf/mod.ts'
import { loadModel } from '../../../plugins/models/mod.ts'
import { loadAdapter } from '../../../plugins/peft/mod.ts'
import { type Device, tensorScope, useDevice } from '../../../core/mod.ts'
import { ROOT } from '../../native/process.ts'
import { expectAnswer, expectLinear } from '../answer.ts'
import { openScratch, type Scratch, seedBytes, seedJson } from '../files.ts'
import type { Fuzzer } from '../fuzzer.ts'
import { mutateBytes, mutateJson, mutateText } from '../mutate.ts'
import type { Dice } from '../random.ts'

const MODELS = [
  'llama',
  'qwen2',
  'qwen3',
  'mistral',
  'gpt2',
  'llama-rope-yarn',
  'llama-rope-llama3',
  'gemma3-images',
  'phi3-longrope',
  'cohere2',
] as const
const GGUFS = ['llama', 'qwen2', 'qwen3', 'types', 'tokenizer-llama-bpe', 'tokenizer-sentencepiece'] as const
const ADAPTERS = ['adapter-init', 'adapter-patterns', 'adapter-rslora', 'adapter-regex'] as const

/** A state as a run writes it; the hash is of an empty file. */
const EMPTY = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'
const STATE: unknown = {
  format: 2,
  step: 3,
  best: { loss: 1.5, step: 2 },
  stale: 0,
  watchdog: 0,
  settings: { learning_rate: 1e-4 },
  parts: { sampler: { epoch: 1 } },
  base: null,
  files: { 'tensors.safetensors': EMPTY },
}

type Case = (dice: Dice, scratch: Scratch, device: Device) => void

const json = (dice: Dice, value: unknown): string => {
  const text = JSON.stringify(mutateJson(dice, value)) ?? ''
  return dice.chance(0.2) ? mutateText(dice, [text]) : text
}

const CASES: Readonly<Record<string, Case>> = {
  config(dice, scratch, device) {
    const name = dice.pick(MODELS)
    const text = json(dice, seedJson(`tests/golden/models/${name}/config.json`))
    scratch.write('config.json', text)
    cpSync(
      join(ROOT, `tests/golden/models/${name}/model.safetensors`),
      join(scratch.folder, 'model.safetensors'),
    )
    expectAnswer(`config.json of ${name}: ${text.slice(0, 3000)}`, 1e5 + text.length, () =>
      loadModel(scratch.folder, { device })[Symbol.dispose](),
    )
  },
  safetensors(dice, scratch, device) {
    const name = dice.pick(MODELS)
    const bytes = mutateBytes(dice, seedBytes(`tests/golden/models/${name}/model.safetensors`))
    scratch.write('model.safetensors', bytes)
    cpSync(join(ROOT, `tests/golden/models/${name}/config.json`), join(scratch.folder, 'config.json'))
    expectAnswer(`model.safetensors of ${name}`, 1e5 + bytes.length, () =>
      loadModel(scratch.folder, { device })[Symbol.dispose](),
    )
  },
  gguf(dice, scratch, device) {
    const name = dice.pick(GGUFS)
    const bytes = mutateBytes(dice, seedBytes(`tests/golden/gguf/${name}.gguf`))
    const path = scratch.write('x.gguf', bytes)
    expectAnswer(`${name}.gguf`, 2e5 + bytes.length, () => {
      const file = openGguf(path)
      for (const tensor of file.tensors.values()) readGgufTensor(file, tensor)
    })
    expectAnswer(`${name}.gguf as a model`, 2e5 + bytes.length, () =>
      loadModel(path, { device })[Symbol.dispose](),
    )
    expectAnswer(`${name}.gguf, its tokenizer`, 2e5 + bytes.length, () => {
      const file = openGguf(path)
      ggufTokenizer(file)
      ggufToHf(file)
    })
  },
  adapter(dice, scratch, device) {
    const name = dice.pick(ADAPTERS)
    const folder = `tests/golden/peft-train/${name}`
    const breaksConfig = dice.chance(0.5)
    const config = seedJson(`${folder}/adapter_config.json`)
    const weights = seedBytes(`${folder}/adapter_model.safetensors`)
    scratch.write('adapter_config.json', breaksConfig ? json(dice, config) : JSON.stringify(config))
    scratch.write('adapter_model.safetensors', breaksConfig ? weights : mutateBytes(dice, weights))
    using model = loadModel(join(ROOT, 'tests/golden/peft-train/base'), { device })
    expectAnswer(name, 1e5 + weights.length, () => loadAdapter(model, scratch.folder))
  },
  state(dice, scratch) {
    const folder = join(scratch.folder, 'checkpoint-3')
    mkdirSync(folder, { recursive: true })
    const text = json(dice, STATE)
    scratch.write('checkpoint-3/tensors.safetensors', '')
    scratch.write('checkpoint-3/training_state.json', text)
    const run = { settings: { learning_rate: 1e-4 }, totalSteps: 10, base: () => ({}) }
    expectAnswer(`training_state.json ${text.slice(0, 2000)}`, text.length, () =>
      readTrainingState(folder, run),
    )
  },
}

const GROWING: Readonly<Record<string, (n: number) => string>> = {
  tensors: (n) =>
    JSON.stringify(
      Object.fromEntries(
        Array.from({ length: n }, (_, i) => [`t${i}`, { dtype: 'F32', shape: [0], data_offsets: [0, 0] }]),
      ),
    ),
  'nested lists': (n) => `{"a":${'['.repeat(n)}`,
  metadata: (n) =>
    JSON.stringify({ __metadata__: Object.fromEntries(Array.from({ length: n }, (_, i) => [`k${i}`, 'v'])) }),
  'a long shape': (n) =>
    JSON.stringify({ a: { dtype: 'F32', shape: Array.from({ length: n }, () => 1), data_offsets: [0, 4] } }),
}

export function checkpointsFuzzer(): Fuzzer {
  const scratch = openScratch()
  const { device } = openCpuOrReference({ threads: 2 })
  const header = (text: string): Uint8Array => {
    const body = new TextEncoder().encode(text)
    const bytes = new Uint8Array(8 + body.length)
    new DataView(bytes.buffer).setBigUint64(0, BigInt(body.length), true)
    bytes.set(body, 8)
    return bytes
  }
  return {
    run(dice) {
      using _device = useDevice(device)
      using _scope = tensorScope()
      if (dice.chance(0.01)) {
        const name = dice.pick(Object.keys(GROWING))
        scratch.write('config.json', JSON.stringify(seedJson('tests/golden/models/llama/config.json')))
        expectLinear(`safetensors: ${name}`, GROWING[name], (text) => {
          scratch.write('model.safetensors', header(text))
          loadModel(scratch.folder, { device })
        })
        return
      }
      CASES[dice.pick(Object.keys(CASES))](dice, scratch, device)
    },
  }
}
