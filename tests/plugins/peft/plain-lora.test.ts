/**
 * PiSSA and OLoRA in PEFT's files, whose factors mean nothing without the part of the base that they took over: loaded, they are saved again as
 * plain LoRAs of that base; without a base they are not converted.
 */
import { expect, test } from 'bun:test'
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { TrituneError } from '../../../core/mod.ts'
import { openCpu } from '../../../plugins/cpu/mod.ts'
import { exportModel } from '../../../plugins/export/mod.ts'
import { loadModel } from '../../../plugins/models/mod.ts'
import {
  attachLora,
  convertAdapter,
  loadAdapter,
  readAdapterConfig,
  saveAdapter,
} from '../../../plugins/peft/mod.ts'
import { GOLDEN, logitsOf, relativeError, temporaryFolder } from '../../_golden.ts'

const cpu = openCpu()
const LLAMA = join(GOLDEN, 'peft-train/base')
const SEQUENCE = { ids: Int32Array.of(3, 5, 7, 11), rows: 1, length: 4 }

/** As PEFT writes it: the trained factors alone, and how they started. Gives the logits. */
function writeStarted(folder: string, init: 'pissa' | 'olora', rsLora: boolean): Float32Array {
  using model = loadModel(LLAMA, { device: cpu })
  using adapter = attachLora(model, {
    targetModules: ['q_proj', 'down_proj'],
    rank: 3,
    alpha: 5,
    rsLora,
    init,
    rankPattern: { down_proj: 2 },
    alphaPattern: { q_proj: 4 },
  })
  for (const one of adapter.parameters.values())
    one.set(one.toArray().map((value, i) => value + Math.sin(i) / 8))
  const config = {
    ...adapter.config,
    init_lora_weights: init,
    r: 3,
    lora_alpha: 5,
    rank_pattern: { down_proj: 2 },
    alpha_pattern: { q_proj: 4 },
  }
  saveAdapter(
    folder,
    { config, tensors: named(adapter.parameters), adapters: new Map(), finished: () => null },
    { baseModel: LLAMA },
  )
  return Float32Array.from(logitsOf(model, SEQUENCE))
}

function named<T>(parameters: ReadonlyMap<string, T>): Map<string, T> {
  return new Map([...parameters].map(([name, tensor]) => [`base_model.model.${name}`, tensor]))
}

test.each([
  ['pissa', false],
  ['olora', false],
  ['pissa', true],
] as const)('%s, rsLoRA %s: loaded, saved as a plain LoRA, loaded again', async (init, rsLora) => {
  using temporary = temporaryFolder()
  const [started, plain, mlx, wrong] = ['started', 'plain', 'mlx', 'wrong'].map((name) =>
    join(temporary.path, name),
  )
  const logits = writeStarted(started, init, rsLora)
  {
    using model = loadModel(LLAMA, { device: cpu })
    using adapter = loadAdapter(model, started)
    expect(relativeError(logitsOf(model, SEQUENCE), logits)).toBeLessThanOrEqual(1e-5)
    saveAdapter(plain, adapter, { baseModel: LLAMA })
  }
  expect(readAdapterConfig(plain)).toMatchObject({
    init_lora_weights: true,
    r: 6,
    rank_pattern: { down_proj: 4 },
  })
  await exportModel(started, { to: 'mlx', output: mlx, base: LLAMA, compare: false })
  for (const [i, source] of [started, mlx].entries())
    await exportModel(source, {
      to: 'gguf',
      lora: true,
      output: join(temporary.path, `${i}.gguf`),
      base: LLAMA,
    })
  for (const folder of [plain, mlx, join(temporary.path, '0.gguf'), join(temporary.path, '1.gguf')]) {
    using model = loadModel(LLAMA, { device: cpu })
    using _adapter = loadAdapter(model, folder)
    expect(relativeError(logitsOf(model, SEQUENCE), logits)).toBeLessThanOrEqual(1e-5)
  }
  const convert = (): unknown => convertAdapter(started, wrong, 'mlx')
  expect(convert).toThrow(TrituneError)
  expect(convert).toThrow(`a part of its base (${init})`)
  expect(existsSync(wrong)).toBe(false)
  expect(readdirSync(temporary.path).toSorted()).toEqual(['0.gguf', '1.gguf', 'mlx', 'plain', 'started'])
})
