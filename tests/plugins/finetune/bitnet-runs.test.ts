/**
 * Runs with `quantizer: bitnet`: BitLinear layers that are trained without an adapter, a LoRA on a packed base, and what is refused.
 */
import { describe, expect, test } from 'bun:test'
import { cpSync, existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { isQuantized, type Model, TrituneError } from '../../../core/mod.ts'
import { absMean, ternarize } from '../../../plugins/bitnet/mod.ts'
import { prepareRun, saveQuantized, train } from '../../../plugins/finetune/mod.ts'
import { loadModel } from '../../../plugins/models/mod.ts'
import { loadAdapter } from '../../../plugins/peft/mod.ts'
import { packLayers } from '../../../plugins/qlora/mod.ts'
import { cpu, fileBytes, workspace } from './_run.ts'

async function refusal(work: () => Promise<unknown>): Promise<string> {
  try {
    await work()
  } catch (error) {
    if (error instanceof TrituneError) return error.message
    throw error
  }
  throw new Error('nothing was refused')
}

function kindsOf(model: Model): string[] {
  const layers = [...model.layers.values()].filter(({ kind }) => kind === 'linear')
  return [
    ...new Set(layers.map(({ weight, form }) => form?.name ?? (isQuantized(weight) ? weight.kind : 'plain'))),
  ]
}

describe('without an adapter', () => {
  test.each([false, true])(
    'BitLinear is trained from a plain model, saved as transformers does, gone on with (sub_norm %p)',
    async (subNorm) => {
      using space = workspace()
      const changes = { adapter: 'none', quantizer: { name: 'bitnet', sub_norm: subNorm }, max_steps: 12 }
      const { losses, outputDir } = await space.train(changes)
      expect(losses.at(-1)).toBeLessThan(losses[0])
      const config = JSON.parse(readFileSync(join(outputDir, 'config.json'), 'utf8'))
      expect(config.quantization_config).toEqual({
        quant_method: 'bitnet',
        linear_class: 'autobitlinear',
        quantization_mode: 'online',
        use_rms_norm: subNorm,
        rms_norm_eps: 1e-6,
        modules_to_not_convert: ['lm_head'],
      })
      using trained = loadModel(outputDir, { device: cpu, writable: true })
      expect(kindsOf(trained)).toEqual(['bitnet'])
      using packed = loadModel(outputDir, { device: cpu })
      const layer = packed.layers.get('model.layers.1.mlp.down_proj')
      if (!layer || !isQuantized(layer.weight)) throw new Error('it is not packed')
      const latent =
        trained.weights.get('model.layers.1.mlp.down_proj.weight')?.toArray() ?? new Float32Array()
      const expected = ternarize(Float32Array.from(latent), layer.weight.shape, {
        scale: 'absmean',
        block: 0,
      })
      expect([...layer.weight.parts.data.toArray()]).toEqual([...expected.packed])
      // Its files say what it is: no key is needed to go on.
      const more = await space.train({
        ...changes,
        quantizer: null,
        base_model: outputDir,
        output_dir: join(space.path, 'more'),
        max_steps: 2,
      })
      expect(more.losses[0]).toBeLessThan(losses[0])
    },
  )

  test('is not the run of the plain model, and resumes to the bit', async () => {
    using space = workspace()
    const changes = {
      adapter: 'none',
      quantizer: 'bitnet',
      save_strategy: undefined,
      save_steps: 2,
      max_steps: 4,
    }
    const whole = await space.train(changes)
    const again = await space.train(changes, { resume: { folder: join(whole.outputDir, 'checkpoint-2') } })
    expect(again.losses).toEqual(whole.losses.slice(2))
    const plain = await space.train({ ...changes, quantizer: null, output_dir: join(space.path, 'plain') })
    expect(Math.abs(plain.losses[0] - whole.losses[0])).toBeGreaterThan(1e-3)
  })
})

describe('a LoRA on a packed base', () => {
  test('is trained from quantizer: bitnet and from a packed checkpoint alike; the base stays as it is', async () => {
    using space = workspace()
    const plain = join(space.path, 'model')
    const packed = join(space.path, 'packed')
    {
      using model = loadModel(plain, { device: cpu, pack: packLayers(absMean(), 'f32') })
      saveQuantized(model, plain, packed)
      for (const file of ['chat_template.jinja'])
        if (existsSync(join(plain, file))) cpSync(join(plain, file), join(packed, file))
    }
    const before = readFileSync(join(packed, 'model.safetensors'))
    const fromPlain = await space.train({ quantizer: 'bitnet' })
    const fromPacked = await space.train({ base_model: packed, output_dir: join(space.path, 'second') })
    expect(fromPacked.losses).toEqual(fromPlain.losses)
    expect(fromPacked.losses.at(-1)).toBeLessThan(fromPacked.losses[0])
    expect(Buffer.compare(readFileSync(join(packed, 'model.safetensors')), before)).toBe(0)
    expect(fileBytes(fromPacked.outputDir, 'adapter_model.safetensors')).toEqual(
      fileBytes(fromPlain.outputDir, 'adapter_model.safetensors'),
    )
    using model = loadModel(packed, { device: cpu })
    const held = structuredCopy(model)
    using adapter = loadAdapter(model, fromPacked.outputDir)
    expect(adapter.parameters.size).toBeGreaterThan(0)
    expect(structuredCopy(model)).toEqual(held)
  })

  test('base bytes in memory are those of before, after training', async () => {
    using space = workspace()
    using run = await prepareRun(space.config({ quantizer: 'bitnet' }), { device: cpu })
    const before = structuredCopy(run.model)
    await train(run)
    expect(structuredCopy(run.model)).toEqual(before)
  })
})

describe('what cannot be is refused before anything is written', () => {
  test('options that do not go together', async () => {
    using space = workspace()
    const cases = [
      [
        { adapter: 'none', quantizer: { name: 'bitnet', span: 'row' } },
        'quantizer.span: without an adapter the weights are trained',
      ],
      [
        { adapter: 'none', quantizer: { name: 'bitnet', scale: 'absmax' } },
        'quantizer.scale: without an adapter the weights are trained',
      ],
      [
        { quantizer: { name: 'bitnet', sub_norm: true } },
        'quantizer.sub_norm: a base that stays as it is gets no norms',
      ],
      [{ adapter: 'none', quantizer: 'nf4' }, 'quantizer: packed weights cannot be trained'],
      [{ quantizer: { name: 'bitnet', span: 'column' } }, 'quantizer.span'],
    ] as const
    for (const [changes, message] of cases) {
      expect(await refusal(() => space.train(changes))).toContain(message)
      expect(existsSync(join(space.path, 'out'))).toBe(false)
    }
  })

  test('a packed BitNet without an adapter, and rows that do not pack', async () => {
    using space = workspace({ intermediate_size: 46 })
    expect(await refusal(() => space.train({ quantizer: 'bitnet' }))).toContain('multiple of 4')
    const folder = join(space.path, 'packed')
    cpSync(join(space.path, 'model'), folder, { recursive: true })
    const config = JSON.parse(readFileSync(join(folder, 'config.json'), 'utf8'))
    writeFileSync(
      join(folder, 'config.json'),
      JSON.stringify({ ...config, quantization_config: { quant_method: 'bitnet' } }),
    )
    expect(await refusal(() => space.train({ base_model: folder, adapter: 'none' }))).toContain(
      'packed weights cannot be trained',
    )
    expect(await refusal(() => space.train({ base_model: folder }))).toContain(
      'weight_scale", which the BitNet weight',
    )
    expect(existsSync(join(space.path, 'out/adapter_model.safetensors'))).toBe(false)
  })
})

/** The bytes of every packed weight. */
function structuredCopy(model: Model): Record<string, readonly number[]> {
  return Object.fromEntries(
    [...model.layers.values()].flatMap(({ path, weight }) =>
      isQuantized(weight) ? [[path, [...weight.parts.data.toArray(), weight.parts.scale.item()]]] : [],
    ),
  )
}

test.each([
  ['bitnet', 'bitnet'],
  [{ bitnet: { span: 'row' } }, { name: 'bitnet', span: 'row' }],
  [{ bitnet: null }, { name: 'bitnet' }],
])('quantization: %j is quantizer: %j', (quantization, quantizer) => {
  using space = workspace()
  const [short, long] = [space.config({ quantization }), space.config({ quantizer })]
  expect(short.quantizer).toEqual(long.quantizer)
  expect(short.notes).toContain('quantization is read as quantizer')
  expect(() => space.config({ quantization, quantizer })).toThrow(
    'the old name of quantizer, which is given too',
  )
  expect(() => space.config({ quantization: { weight_dtype: 'int4', group_size: 32 } })).toThrow(
    'another quantization of the checkpoint',
  )
})
