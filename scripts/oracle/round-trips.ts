/**
 * What tritune writes, read by PEFT and transformers: adapters and models that this run trains, merges and converts.
 */
import { spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { writeSafetensors } from '../../core/files/safetensors-write.ts'
import { type Device, TrituneError } from '../../core/mod.ts'
import { createRandom } from '../../core/tensor/random.ts'
import { saveModel } from '../../plugins/finetune/mod.ts'
import { loadModel } from '../../plugins/models/mod.ts'
import { attachLora, loadAdapter, type LoraModelOptions, saveAdapter } from '../../plugins/peft/mod.ts'
import { loadTokenizer } from '../../plugins/tokenizer/mod.ts'
import { GOLDEN, logitsOf, type Sequences, temporaryFolder } from '../../tests/_golden.ts'
import { workspace } from '../../tests/plugins/finetune/_run.ts'
import { ROOT } from '../_setup.ts'
import { verify, type Verdict } from './_python.ts'
import { mustBe, type Row } from './_row.ts'

export async function* roundTripRows(device: Device, python: string): AsyncGenerator<Row> {
  using space = workspace()
  const base = join(space.path, 'model')
  const judge = (name: string, args: readonly string[]): Row => rowOf(name, verify(python, args))

  for (const [name, changes] of TRAININGS) {
    const { outputDir } = await space.train({ max_steps: 20, output_dir: join(space.path, name), ...changes })
    const probe = modelProbe(space.path, base, device, outputDir)
    yield judge(`trained here, read by PEFT: ${name}`, ['adapter', base, outputDir, ...probe])
  }
  const adapter = join(space.path, TRAININGS[0][0])
  const merged = join(space.path, 'merged')
  command('merge', [base, adapter, merged])
  yield judge('merged by scripts/merge.ts, read by transformers', [
    'merged',
    merged,
    ...modelProbe(space.path, merged, device),
  ])

  const { outputDir: whole } = await space.train({
    adapter: 'none',
    max_steps: 10,
    output_dir: join(space.path, 'whole'),
  })
  yield judge('all weights trained here, read by transformers', [
    'merged',
    whole,
    ...modelProbe(space.path, whole, device),
  ])

  for (const [name, folder, options] of SAVED) {
    const saved = join(space.path, `saved-${name}`)
    randomAdapter(folder, saved, options, device)
    const probe = modelProbe(space.path, folder, device, saved)
    yield judge(`written here, read by PEFT: ${name}`, ['adapter', folder, saved, ...probe])
  }

  for (const name of readdirSync(join(GOLDEN, 'model-lora')).toSorted()) {
    const [folder, of] = [join(GOLDEN, 'models', name), join(GOLDEN, 'model-lora', name)]
    const [out, again] = [join(space.path, `merged-${name}`), join(space.path, `again-${name}`)]
    {
      using model = loadModel(folder, { device })
      using own = loadAdapter(model, of)
      saveModel(model, folder, out)
      saveAdapter(again, own, { baseModel: folder })
    }
    yield judge(`${name}: merged, read by transformers`, [
      'merged',
      out,
      ...modelProbe(space.path, out, device),
    ])
    if (FUSED_OR_RENAMED.includes(name))
      yield judge(`${name}: adapter, read by PEFT`, [
        'adapter',
        folder,
        again,
        ...modelProbe(space.path, folder, device, again),
      ])
  }

  for (const name of ['mixtral', 'gpt_oss']) {
    const folder = join(space.path, `merged-${name}`)
    command('merge', [join(GOLDEN, 'moe-models', name), join(space.path, `saved-${name}, experts`), folder])
    const probe = modelProbe(space.path, folder, device)
    yield judge(`${name} with merged experts, read by transformers`, ['merged', folder, ...probe])
  }

  const cases = join(space.path, 'cases.json')
  writeFileSync(cases, JSON.stringify(tokenizerCases(merged)))
  yield judge('tokenizer of the merged folder, read by transformers', ['tokenizer', merged, cases])
}

/** A GGUF file converted to a folder by scripts/merge.ts, read by transformers. */
export function* conversionRows(device: Device, python: string, gguf: string): Generator<Row> {
  using temporary = temporaryFolder()
  const folder = join(temporary.path, 'converted')
  command('merge', [gguf, 'none', folder])
  const probe = modelProbe(temporary.path, folder, device)
  yield rowOf(
    'GGUF converted to a folder, read by transformers',
    verify(python, ['merged', folder, ...probe]),
  )
  const cases = join(temporary.path, 'cases.json')
  writeFileSync(cases, JSON.stringify(tokenizerCases(folder)))
  yield rowOf('its tokenizer, read by transformers', verify(python, ['tokenizer', folder, cases]))
}

// ---- cases ------------------------------------------------------------------------------------------------------

const TRAININGS: readonly [string, Readonly<Record<string, unknown>>][] = [
  ['lora', {}],
  ['rslora-dropout', { peft_use_rslora: true, lora_dropout: 0.1, lora_alpha: 3 }],
  [
    'patterns',
    {
      lora_target_linear: false,
      lora_target_modules: ['q_proj', 'down_proj', 'v_proj'],
      lora_exclude_modules: ['model.layers.0.self_attn.v_proj'],
      lora_rank_pattern: { down_proj: 2 },
      lora_alpha_pattern: { q_proj: 5 },
    },
  ],
]

const SAVED: readonly [string, string, LoraModelOptions][] = [
  ['gpt2', join(GOLDEN, 'models/gpt2'), { targetModules: ['c_attn', 'c_proj'], rank: 3, alpha: 7 }],
  ['qwen3-regex', join(GOLDEN, 'models/qwen3'), { targetModules: String.raw`.*\.1\..*(q|up)_proj`, rank: 5 }],
  ...['mixtral', 'qwen3_moe', 'gpt_oss'].map((name): [string, string, LoraModelOptions] => [
    `${name}, experts`,
    join(GOLDEN, 'moe-models', name),
    {
      targetModules: ['q_proj'],
      targetParameters: ['mlp.experts.gate_up_proj', 'mlp.experts.down_proj'],
      rank: 3,
    },
  ]),
  ['qwen2-layers', join(GOLDEN, 'models/qwen2'), { targetModules: 'all-linear', layersToTransform: [1] }],
]

const FUSED_OR_RENAMED: readonly string[] = ['glm4', 'gemma3-images', 'phi3']

const TEXTS = ['', '1 2 3', '  two  spaces ', 'Grüße, 日本 🦀', 'line\nline\r\n', "don't 3.14 x_y", '<|end|>']

// ---- helpers ----------------------------------------------------------------------------------------------------

function rowOf(name: string, { ok, result }: Verdict): Row {
  const { maxRel, cases } = result
  const measured = typeof maxRel === 'number' ? maxRel.toExponential(2) : `${String(cases ?? '?')} texts`
  return mustBe(name, measured, typeof cases === 'number' ? 'same ids' : '≤ 1e-5', ok, JSON.stringify(result))
}

function command(script: string, args: readonly string[]): void {
  const { status, stderr } = spawnSync(process.execPath, [join(ROOT, 'scripts', `${script}.ts`), ...args], {
    encoding: 'utf8',
  })
  if (status !== 0) throw new TrituneError('E_USAGE', `scripts/${script}.ts failed: ${stderr.trim()}`)
}

const PROBE: Sequences = {
  ids: Int32Array.from({ length: 2 * 19 }, (_, i) => (7 + i * 13 + i * i) % 101),
  rows: 2,
  length: 19,
}

/** Writes ids and our logits for them; returns the two files. */
function modelProbe(folder: string, path: string, device: Device, adapter?: string): [string, string] {
  const place = join(folder, `probe-${Math.random().toString(36).slice(2)}`)
  mkdirSync(place)
  using model = loadModel(path, { device })
  using _adapter = adapter === undefined ? null : loadAdapter(model, adapter)
  const { rows, length } = PROBE
  const ids = PROBE.ids.map((id) => id % model.info.vocabSize)
  const logits = Float32Array.from(logitsOf(model, { ids, rows, length }))
  const lists = Array.from({ length: rows }, (_, r) => [...ids.subarray(r * length, (r + 1) * length)])
  const files: [string, string] = [join(place, 'ids.json'), join(place, 'logits.safetensors')]
  writeFileSync(files[0], JSON.stringify(lists))
  writeSafetensors(files[1], [
    {
      name: 'logits',
      dtype: 'f32',
      shape: [rows, length, model.info.vocabSize],
      chunks: () => [new Uint8Array(logits.buffer)],
    },
  ])
  return files
}

/** An adapter with random values in both factors, so that it does something. */
function randomAdapter(base: string, folder: string, options: LoraModelOptions, device: Device): void {
  using model = loadModel(base, { device })
  using adapter = attachLora(model, options)
  for (const [name, parameter] of adapter.parameters) {
    const random = createRandom(5, name)
    parameter.set(Float32Array.from({ length: parameter.size }, () => 0.1 * random.normal()))
  }
  saveAdapter(folder, adapter, { baseModel: base })
}

function tokenizerCases(folder: string): { text: string; ids: number[] }[] {
  const tokenizer = loadTokenizer(folder)
  return TEXTS.map((text) => ({ text, ids: tokenizer.encode(text, { addSpecialTokens: false }) }))
}
