/**
 * The keys of the LoRA family in a run's file: what is trained, what is saved, what is refused.
 */
import { describe, expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { openCheckpoint } from '../../../core/files/checkpoint.ts'
import { ConfigError, TrituneError } from '../../../core/mod.ts'
import { prepareRun } from '../../../plugins/finetune/mod.ts'
import { type Changes, cpu, workspace } from './_run.ts'

interface Saved {
  readonly config: Readonly<Record<string, unknown>>
  readonly names: readonly string[]
  readonly shapes: ReadonlyMap<string, readonly number[]>
}

function savedIn(folder: string): Saved {
  const { entries } = openCheckpoint(join(folder, 'adapter_model.safetensors'))
  return {
    config: JSON.parse(readFileSync(join(folder, 'adapter_config.json'), 'utf8')),
    names: [...entries.keys()],
    shapes: new Map([...entries].map(([name, { shape }]) => [name, shape])),
  }
}

const Q = 'base_model.model.model.layers.0.self_attn.q_proj'

test.each<[string, Changes]>([
  ['peft_use_dora: true', { peft_use_dora: true }],
  ['adapter: dora', { adapter: 'dora' }],
])('%s trains a DoRA, in files of PEFT', async (_, changes) => {
  using space = workspace()
  const { losses, outputDir } = await space.train(changes)
  expect(losses[losses.length - 1]).toBeLessThan(losses[0])
  const { config, shapes } = savedIn(outputDir)
  expect(config).toMatchObject({ peft_type: 'LORA', use_dora: true, r: 4 })
  expect(shapes.get(`${Q}.lora_magnitude_vector`)).toHaveLength(1)
})

test.each(['pissa', 'pissa_niter_8', 'olora'])(
  'peft_init_lora_weights: %s starts at the loss of the base and is saved as a plain LoRA',
  async (init) => {
    using space = workspace()
    const plain = await space.train({ output_dir: join(space.path, 'plain') })
    const { losses, outputDir } = await space.train({ peft_init_lora_weights: init })
    expect(Math.abs(losses[0] - plain.losses[0])).toBeLessThan(1e-4)
    expect(losses[losses.length - 1]).toBeLessThan(losses[0])
    const { config, shapes } = savedIn(outputDir)
    expect(config).toMatchObject({ init_lora_weights: true, lora_alpha: 16, r: 8 })
    expect(shapes.get(`${Q}.lora_A.weight`)?.[0]).toBe(8)
  },
)

test('peft.loftq_config trains on a base of 4 bits, and says so in its files', async () => {
  using space = workspace()
  const { losses, outputDir } = await space.train({ peft: { loftq_config: { loftq_bits: 4 } } })
  expect(losses[losses.length - 1]).toBeLessThan(losses[0])
  expect(savedIn(outputDir).config).toMatchObject({
    init_lora_weights: 'loftq',
    loftq_config: { loftq_bits: 4, loftq_iter: 1 },
    r: 4,
  })
})

test('peft.loftq_config of 8 bits trains on int8', async () => {
  using space = workspace()
  const { losses, outputDir } = await space.train({
    peft: { loftq_config: { loftq_bits: 8, loftq_iter: 2 } },
  })
  expect(losses[losses.length - 1]).toBeLessThan(losses[0])
  expect(savedIn(outputDir).config).toMatchObject({ loftq_config: { loftq_bits: 8, loftq_iter: 2 } })
})

test('lora_target_parameters trains weights by their names, as their modules would be, and alone nothing else', async () => {
  using space = workspace()
  const shared = { lora_target_linear: false, max_steps: 3 }
  const modules = await space.train({
    ...shared,
    lora_target_modules: ['down_proj'],
    output_dir: join(space.path, 'modules'),
  })
  const { losses, outputDir } = await space.train({
    ...shared,
    lora_target_parameters: ['mlp.down_proj.weight'],
  })
  expect(losses).toEqual(modules.losses)
  const { config, names } = savedIn(outputDir)
  expect(config).toMatchObject({ target_modules: [], target_parameters: ['mlp.down_proj.weight'] })
  expect(names).toEqual(savedIn(modules.outputDir).names)
})

test('peft_init_lora_weights: eva says how many batches it took', async () => {
  using space = workspace()
  const config = space.config({ peft_init_lora_weights: 'eva' })
  using run = await prepareRun(config, { device: cpu })
  expect(run.notes.join()).toMatch(/eva: the factors start as \d+ batch/)
  expect(run.adapter?.config).toMatchObject({ init_lora_weights: 'eva', eva_config: { rho: 1 } })
})

test('loraplus_lr_ratio moves B faster, and A as before', async () => {
  using space = workspace()
  const step = async (changes: Changes): Promise<Map<string, number>> => {
    const { outputDir } = await space.train({ ...changes, max_steps: 1, warmup_steps: 0 })
    const checkpoint = openCheckpoint(join(outputDir, 'adapter_model.safetensors'))
    return new Map(
      [...checkpoint.entries].map(([name, entry]) => {
        const values = new Float32Array(Uint8Array.from(checkpoint.read(entry)).buffer)
        return [name, Math.max(...values.map(Math.abs))]
      }),
    )
  }
  const plain = await step({ output_dir: join(space.path, 'a') })
  const faster = await step({ loraplus_lr_ratio: 4, output_dir: join(space.path, 'b') })
  const [a, b] = [`${Q}.lora_A.weight`, `${Q}.lora_B.weight`]
  // The first step of Adam has the length of the learning rate; B began as 0.
  expect((faster.get(b) ?? 0) / (plain.get(b) ?? 1)).toBeCloseTo(4, 3)
  expect(faster.get(a)).toBe(plain.get(a))
})

test('peft_ensure_weight_tying gives the embedding and the head one LoRA', async () => {
  using space = workspace({ tie_word_embeddings: true })
  const { outputDir, losses } = await space.train({
    lora_target_linear: false,
    lora_target_modules: ['lm_head', 'q_proj'],
    peft_ensure_weight_tying: true,
  })
  expect(losses[losses.length - 1]).toBeLessThan(losses[0])
  const { config, names } = savedIn(outputDir)
  expect(config).toMatchObject({
    ensure_weight_tying: true,
    target_modules: ['q_proj', 'model.embed_tokens'],
  })
  expect(names).toContain('base_model.model.lm_head.lora_A.weight')
  expect(names).toContain('base_model.model.model.embed_tokens.lora_embedding_A')
})

describe('is refused', () => {
  test.each<[Changes, string]>([
    [{ lora_r: 0 }, 'lora_r'],
    [{ lora_alpha: Number.NaN }, 'lora_alpha'],
    [{ peft_init_lora_weights: 'pissa_niter_0' }, 'peft_init_lora_weights'],
    [{ peft: { loftq_config: { loftq_bits: 2 } } }, 'loftq_bits: expected 4 (nf4) or 8 (int8)'],
    [{ adapter: 'loha', lora_target_parameters: ['q_proj.weight'] }, 'lora_target_parameters'],
    [{ peft: { loftq_config: { loftq_bits: 4 } }, peft_init_lora_weights: 'pissa' }, 'asks for loftq'],
    [{ loraplus_lr_ratio: 0 }, 'loraplus_lr_ratio'],
    [{ adapter: 'loha', peft_use_dora: true }, 'peft_use_dora'],
    [{ adapter: 'dora', adapter_options: { rank: 4 } }, 'adapter_options'],
  ])('%p', (changes, said) => {
    using space = workspace()
    expect(() => space.config(changes)).toThrow(said)
  })

  test.each<[string, Changes, string]>([
    [
      'loftq beside a quantizer',
      { peft_init_lora_weights: 'loftq', quantizer: 'nf4' },
      'packs the weight itself',
    ],
    [
      'a parameter that the model has not',
      { lora_target_linear: false, lora_target_parameters: ['mlp.down.weight'] },
      'lora_target_parameters: ',
    ],
    ['an odd rank of orthogonal', { peft_init_lora_weights: 'orthogonal', lora_r: 3 }, 'even rank'],
    ['a rank larger than the layer', { peft_use_dora: true, lora_r: 4096 }, 'larger than the layer'],
  ])('%s, before the first step', async (_, changes, said) => {
    using space = workspace()
    const prepared = prepareRun(space.config(changes), { device: cpu })
    await expect(prepared).rejects.toThrow(said)
    await prepared.catch((error: unknown) =>
      expect(error instanceof ConfigError || error instanceof TrituneError).toBe(true),
    )
  })
})

test('lora_fan_in_fan_out changes nothing, and is noted to do so', () => {
  using space = workspace()
  expect(space.config({ lora_fan_in_fan_out: true }).notes.join()).toContain('lora_fan_in_fan_out')
})
