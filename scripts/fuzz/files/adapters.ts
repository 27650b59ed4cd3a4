/**
 * `adapters`: adapter folders of every method and of mlx-lm, whose configuration or tensors are broken: loaded, looked at, converted. What is
 * refused leaves the model as it was.
 */
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import {
  adapterNames,
  type Device,
  type Model,
  tensorScope,
  TrituneError,
  useDevice,
} from '../../../core/mod.ts'
import { openCpuOrReference } from '../../../plugins/cpu/mod.ts'
import { loadModel } from '../../../plugins/models/mod.ts'
import { convertAdapter, inspectAdapter, listAdapters, loadAdapter } from '../../../plugins/peft/mod.ts'
import { ROOT } from '../../native/process.ts'
import { expectAnswer, expectLinear } from '../answer.ts'
import { openScratch, type Scratch, seedBytes, seedJson, seedText } from '../files.ts'
import { Finding, type Fuzzer } from '../fuzzer.ts'
import { mutateBytes, mutateJson, mutateText } from '../mutate.ts'
import type { Dice } from '../random.ts'

const PEFT = [
  'peft-train/adapter-init',
  'peft-train/adapter-patterns',
  'peft-train/adapter-rslora',
  'peft-train/adapter-regex',
  'peft-train/adapter-dora',
  'peft-methods/adalora',
  'peft-methods/boft',
  'peft-methods/ia3',
  'peft-methods/loha-patterns',
  'peft-methods/lokr',
  'peft-methods/miss',
  'peft-methods/oft',
  'peft-methods/vera',
  'peft-families/embedding',
  'peft-families/prefix',
  'peft-families/prompt',
  'peft-several/b',
] as const
const MLX = ['mlx-adapters/lora', 'mlx-adapters/all', 'mlx-adapters/dora', 'mlx-adapters/head'] as const

/** Values of numbers that are hard to bear, where a configuration has a number. */
const NUMBERS = [
  'NaN',
  'Infinity',
  '-1',
  '0',
  '1e999',
  '9007199254740993',
  '0.5',
  '1e-320',
  '4294967296',
] as const

export function adaptersFuzzer(): Fuzzer {
  const scratch = openScratch()
  const { device } = openCpuOrReference({ threads: 2 })
  return {
    run(dice) {
      using _device = useDevice(device)
      using _scope = tensorScope()
      if (dice.chance(0.005)) growing(scratch)
      else one(dice, scratch, device)
    },
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function one(dice: Dice, scratch: Scratch, device: Device): void {
  const isMlx = dice.chance(0.3)
  const name = dice.pick(isMlx ? MLX : PEFT)
  const folder = `tests/golden/${name}`
  const file = isMlx ? 'adapters.safetensors' : 'adapter_model.safetensors'
  const weights = seedBytes(`${folder}/${file}`)
  for (const other of ['adapters.safetensors', 'adapter_model.safetensors'])
    rmSync(join(scratch.folder, other), { force: true })
  const breaksConfig = dice.chance(0.6)
  const text = breaksConfig ? brokenConfig(dice, folder) : seedText(`${folder}/adapter_config.json`)
  scratch.write('adapter_config.json', text)
  scratch.write(file, breaksConfig && dice.chance(0.8) ? weights : mutateBytes(dice, weights))
  const size = 1e5 + weights.length + text.length
  const subject = `${name}${breaksConfig ? `: ${text.slice(0, 2000)}` : ''}`
  using model = loadModel(join(ROOT, 'tests/golden/peft-train/base'), { device })
  expectAnswer(subject, size, () => load(model, scratch.folder, subject))
  expectAnswer(`${subject}, inspected`, size, () => inspectAdapter(scratch.folder))
  expectAnswer(`${subject}, listed`, size, () => listAdapters(scratch.folder))
  const output = join(scratch.folder, 'converted')
  rmSync(output, { recursive: true, force: true })
  expectAnswer(`${subject}, converted`, size, () =>
    convertAdapter(scratch.folder, output, dice.pick(['mlx', 'peft'])),
  )
}

function load(model: Model, folder: string, subject: string): void {
  try {
    loadAdapter(model, folder)[Symbol.dispose]()
  } catch (error) {
    if (error instanceof TrituneError && adapterNames(model).length > 0)
      throw new Finding(`${subject}: an adapter that was refused is on the model`)
    throw error
  }
}

function brokenConfig(dice: Dice, folder: string): string {
  const config = seedJson(`${folder}/adapter_config.json`)
  if (dice.chance(0.3))
    return JSON.stringify(config).replaceAll(/:(-?\d[\d.e-]*)/g, (all) =>
      dice.chance(0.3) ? `:${dice.pick(NUMBERS)}` : all,
    )
  const text = JSON.stringify(mutateJson(dice, config)) ?? ''
  return dice.chance(0.2) ? mutateText(dice, [text]) : text
}

/** Targets and patterns without end take time that grows with them and no faster. */
function growing(scratch: Scratch): void {
  const folder = 'tests/golden/peft-several/b'
  const config = seedJson(`${folder}/adapter_config.json`)
  scratch.write('adapter_model.safetensors', seedBytes(`${folder}/adapter_model.safetensors`))
  expectLinear(
    'target_modules',
    (n) =>
      JSON.stringify({ ...Object(config), target_modules: Array.from({ length: n }, (_, i) => `m${i}`) }),
    (text) => {
      scratch.write('adapter_config.json', text)
      using model = loadModel(join(ROOT, 'tests/golden/peft-train/base'))
      loadAdapter(model, scratch.folder)
    },
  )
}
