import { describe, expect, test } from 'bun:test'
import { join } from 'node:path'
import { adamw, parameter, tensor, useDevice } from '../../../core/mod.ts'
import { loadModel } from '../../../plugins/models/mod.ts'
import { weightDecays } from '../../../plugins/finetune/training/weight-decay.ts'
import { goldenJson, temporaryFolder } from '../../_golden.ts'
import { writeTinyModel } from '../../_tiny.ts'
import { cpu, workspace } from './_run.ts'

type Names = Readonly<Record<'decays' | 'stays', readonly string[]>>

const golden = goldenJson<Record<string, Names>>('trainer', 'decay.json')

describe('weightDecays()', () => {
  test.each(Object.entries(golden))('decays what the Trainer of transformers decays: %s', (family, names) => {
    const isAdapter = family.includes('lora')
    for (const [kind, list] of Object.entries(names)) {
      for (const name of list) {
        // Biases and norms have one axis.
        const axes = kind === 'decays' ? 2 : 1
        expect([name, weightDecays(name, axes, isAdapter)]).toEqual([name, kind === 'decays'])
        if (kind === 'stays') expect([name, weightDecays(name, 2, isAdapter)]).toEqual([name, false])
      }
    }
  })

  test('vectors of a model do not decay, those of an adapter do', () => {
    expect(weightDecays('model.layers.0.gate', 1, false)).toBe(false)
    expect(weightDecays('model.layers.0.self_attn.q_proj.scale', 1, true)).toBe(true)
    expect(weightDecays('model.layers.0.self_attn.q_proj.bias_shift', 2, true)).toBe(false)
  })

  test('all weights of a model are judged by their own names', () => {
    using temporary = temporaryFolder()
    writeTinyModel(temporary.path)
    using model = loadModel(temporary.path, { device: cpu, writable: true })
    const stays = [...model.weights].filter(([name, { shape }]) => !weightDecays(name, shape.length, false))
    expect(stays.length).toBeGreaterThan(0)
    for (const [name] of stays) expect(name).toMatch(/norm/)
  })

  test('a step without gradient takes decaying weights to 0.9 of themselves and leaves the others', () => {
    using _device = useDevice(cpu)
    using matrix = parameter(tensor([1, -2], { shape: [1, 2] }))
    using norm = parameter(tensor([1, -2]))
    using zero = tensor([0, 0], { shape: [1, 2] })
    using zeroVector = tensor([0, 0])
    matrix.grad = zero
    norm.grad = zeroVector
    const parameters = new Map([
      ['model.layers.0.mlp.up_proj.weight', matrix],
      ['model.norm.weight', norm],
    ])
    const decays = (name: string): boolean =>
      weightDecays(name, parameters.get(name)?.shape.length ?? 0, false)
    using state = adamw({ weightDecay: 0.1, decays }).init(parameters)
    state.apply({ step: 1, learningRate: 1, gradScale: 1, metrics: {} })
    matrix.grad = null
    norm.grad = null
    expect([...matrix.toArray()].map((x) => Math.round(x * 1e6) / 1e6)).toEqual([0.9, -1.8])
    expect([...norm.toArray()]).toEqual([1, -2])
  })
})

test('two_stage: weights decay in the first stage alone, at every step of a run that is gone on with too', async () => {
  using space = workspace()
  const moved = async (
    weight_decay: number,
    stage_start: number,
    max_steps: number,
  ): Promise<Float32Array> => {
    const output_dir = join(space.path, `${weight_decay}-${stage_start}-${max_steps}`)
    const { outputDir } = await space.train({
      adapter: 'none',
      lr_scheduler: 'two_stage',
      lr_scheduler_kwargs: { stage_start, stage_lr_ratio: 1 },
      weight_decay,
      max_steps,
      output_dir,
    })
    using model = loadModel(outputDir, { device: cpu })
    return model.weights.get('model.layers.0.mlp.up_proj.weight')?.toArray().slice() ?? new Float32Array()
  }
  // From the first step on there is only the second stage.
  expect(await moved(5, 0, 4)).toEqual(await moved(0, 0, 4))
  const [half, whole, none] = [await moved(5, 0.5, 4), await moved(5, 1, 4), await moved(0, 1, 4)]
  const size = (values: Float32Array): number => values.reduce((sum, value) => sum + Math.abs(value), 0)
  expect(size(whole)).toBeLessThan(size(half))
  expect(size(half)).toBeLessThan(size(none))
})
