/**
 * `adapter:` with the methods of PEFT beside LoRA: options, the keys that they share with LoRA, targets, and going on from a folder.
 */
import { describe, expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { TrituneError } from '../../../core/mod.ts'
import { type Changes, workspace } from './_run.ts'

/** No key of LoRA is set: those of `tinyRun` are. */
const PLAIN = { lora_r: undefined, lora_alpha: undefined, lora_target_linear: undefined, max_steps: 2 }

async function fieldsOf(changes: Changes): Promise<Record<string, unknown>> {
  using space = workspace()
  const { outputDir } = await space.train({ ...PLAIN, ...changes })
  return JSON.parse(readFileSync(join(outputDir, 'adapter_config.json'), 'utf8')) as Record<string, unknown>
}

async function complaint(changes: Changes): Promise<TrituneError> {
  using space = workspace()
  try {
    await space.train({ ...PLAIN, ...changes })
  } catch (error) {
    if (error instanceof TrituneError) return error
    throw error
  }
  throw new Error('nothing was wrong')
}

describe('lora_r, lora_alpha and lora_dropout', () => {
  test('stand for what another method calls them', async () => {
    expect(await fieldsOf({ adapter: 'loha', lora_r: 3, lora_alpha: 5 })).toMatchObject({ r: 3, alpha: 5 })
    expect(await fieldsOf({ adapter: 'vera', lora_r: 8, lora_dropout: 0.1 })).toMatchObject({
      r: 8, // said, although it is the default of LoRA
      vera_dropout: 0.1,
    })
    expect(await fieldsOf({ adapter: 'miss', lora_r: 4, lora_dropout: 0.1 })).toMatchObject({
      r: 4,
      miss_dropout: 0.1,
    })
  })

  test('are left to the method when the file does not say them', async () => {
    expect(await fieldsOf({ adapter: 'vera' })).toMatchObject({ r: 256, vera_dropout: 0 })
  })

  test('give way to adapter_options', async () => {
    const adapter_options = { r: 2, rank_dropout: 0.1 }
    expect(await fieldsOf({ adapter: 'lokr', lora_r: 3, lora_alpha: 6, adapter_options })).toMatchObject({
      r: 2,
      alpha: 6,
      rank_dropout: 0.1,
    })
  })

  test('patterns of ranks and alphas too', async () => {
    const fields = await fieldsOf({
      adapter: 'loha',
      lora_r: 3,
      lora_rank_pattern: { q_proj: 2 },
      lora_alpha_pattern: { v_proj: 4 },
    })
    expect(fields).toMatchObject({ rank_pattern: { q_proj: 2 }, alpha_pattern: { v_proj: 4 } })
    const error = await complaint({ adapter: 'loha', lora_rank_pattern: { q_prj: 2 } })
    expect(error.message).toContain('lora_rank_pattern: ')
    expect(error.message).toContain('did you mean "q_proj"')
  })

  test.each([
    ['ia3', { lora_r: 8 }, 'lora_r: ia3 has no such option'],
    ['ia3', { peft_init_lora_weights: false }, 'peft_init_lora_weights: is for adapter: lora, not for ia3'],
    ['loha', { lora_dropout: 0.1 }, 'lora_dropout: loha has no such option'],
    ['miss', { lora_alpha: 4 }, 'lora_alpha: miss has no such option'],
    ['loha', { adapter_options: { rnk: 3 } }, 'adapter_options.rnk'],
    ['loha', { adapter_options: { r: 0 } }, 'adapter_options.r: '],
    ['miss', { lora_r: 1000 }, 'r 1000 is larger than'],
    ['lora', { adapter_options: { r: 3 } }, 'adapter_options: is for other adapters, not for lora'],
  ])('%s refuses %p', async (adapter, changes, message) => {
    expect((await complaint({ adapter, ...changes })).message).toContain(message)
  })
})

describe('total_step of AdaLoRA', () => {
  test('is the number of steps of the run', async () => {
    expect((await fieldsOf({ adapter: 'adalora', max_steps: 7 })).total_step).toBe(7)
    const epochs = { max_steps: undefined, num_epochs: 3 }
    const { total_step } = await fieldsOf({ adapter: 'adalora', ...epochs })
    expect(total_step).toBeGreaterThan(0)
    expect(Number(total_step) % 3).toBe(0)
  })

  test('is another one where the file says so', async () => {
    const given = { adapter: 'adalora', max_steps: 7, adapter_options: { total_step: 30 } }
    expect((await fieldsOf(given)).total_step).toBe(30)
  })

  test('leaves steps to give directions up, or the run does not begin', async () => {
    const given = { adapter: 'adalora', max_steps: 7, adapter_options: { tinit: 5, tfinal: 2 } }
    expect((await complaint(given)).message).toContain('leave none of 7 steps')
    const epochs = { ...given, max_steps: undefined, num_epochs: 1, adapter_options: { tinit: 500 } }
    expect((await complaint(epochs)).message).toContain('adapter_options.total_step: tinit 500')
  })
})

describe('targets', () => {
  test('are those of PEFT for ia3 when the file names none', async () => {
    const fields = await fieldsOf({ adapter: 'ia3' })
    expect(fields.target_modules).toEqual(['k_proj', 'v_proj', 'down_proj'])
    expect(fields.feedforward_modules).toEqual(['down_proj'])
    expect(fields).not.toHaveProperty('layers_to_transform')
  })

  test('are listed where PEFT has no field for what was left out', async () => {
    const fields = await fieldsOf({
      adapter: 'vera',
      lora_r: 4,
      lora_exclude_modules: ['0.self_attn.q_proj'],
    })
    expect(fields).not.toHaveProperty('exclude_modules')
    expect(fields.target_modules).toContain('model.layers.0.self_attn.v_proj')
    expect(fields.target_modules).not.toContain('model.layers.0.self_attn.q_proj')
  })

  test('peft_layers_pattern says where the number of a layer stands', async () => {
    const layers = { peft_layers_to_transform: [1], peft_layers_pattern: 'layers' }
    for (const adapter of ['lora', 'loha'])
      expect(await fieldsOf({ adapter, ...layers })).toMatchObject({
        layers_to_transform: [1],
        layers_pattern: 'layers',
      })
    expect((await complaint({ peft_layers_pattern: 'layers' })).message).toContain(
      'peft_layers_pattern: needs peft_layers_to_transform',
    )
    expect((await complaint({ ...layers, peft_layers_pattern: ['blocks'] })).message).toContain(
      'peft_layers_pattern: layers_pattern: "blocks" stands before the number of no layer',
    )
  })
})

describe('lora_model_dir', () => {
  test('goes on from an adapter of the same method, and of no other', async () => {
    using space = workspace()
    const run = { ...PLAIN, adapter: 'lokr', lora_r: 2, lora_alpha: 4 }
    const first = await space.train(run)
    const again = { ...run, lora_model_dir: first.outputDir, output_dir: join(space.path, 'again') }
    const second = await space.train(again)
    expect(second.losses[0]).toBeLessThan(first.losses[0])
    expect(space.train({ ...again, adapter: 'loha' })).rejects.toThrow('an adapter of the kind lokr')
  })
})
