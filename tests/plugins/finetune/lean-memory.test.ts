/**
 * `memory: lean` makes cheap results again in the backward pass: the same bits as `fast`, with less memory.
 */
import { describe, expect, test } from 'bun:test'
import { join } from 'node:path'
import { availableMemory } from '../../../core/native/available-memory.ts'
import { prepareRun, summarize, train } from '../../../plugins/finetune/mod.ts'
import { memoryMode } from '../../../plugins/finetune/memory/memory-mode.ts'
import { emptyPool } from '../../_memory.ts'
import { createHostlessDevice } from '../../cases/hostless-device.ts'
import { type Changes, cpu, fileBytes, workspace } from './_run.ts'

const BIG = { hidden_size: 64, intermediate_size: 256, num_hidden_layers: 4 }

describe('memory', () => {
  test.each<[string, Changes]>([
    ['LoRA', {}],
    ['LoRA with dropout and accumulation', { lora_dropout: 0.2 }],
    ['LoRA in bf16', { bf16: true }],
    ['packed rows', { sample_packing: true }],
    ['gradient checkpointing', { gradient_checkpointing: true }],
    ['all weights', { adapter: 'none' }],
    ['all weights in bf16', { adapter: 'none', bf16: true }],
    ['a packed base', { quantizer: 'nf4' }],
  ])('lean gives the bits of fast: %s', async (_, changes) => {
    using space = workspace(BIG)
    const fast = await space.train({ ...changes, memory: 'fast', output_dir: join(space.path, 'fast') })
    const lean = await space.train({ ...changes, memory: 'lean', output_dir: join(space.path, 'lean') })
    expect(lean.losses).toEqual([...fast.losses])
    const file = 'adapter' in changes ? 'model.safetensors' : 'adapter_model.safetensors'
    expect(fileBytes(lean.outputDir, file).equals(fileBytes(fast.outputDir, file))).toBe(true)
  })

  test('lean takes less memory and gives all of it back', async () => {
    using space = workspace(BIG)
    const peak = async (memory: string): Promise<number> => {
      using run = await prepareRun(space.config({ memory, micro_batch_size: 12, max_steps: 2 }), {
        device: cpu,
      })
      emptyPool()
      cpu.resetPeak()
      const before = cpu.memory().live
      await train(run)
      return cpu.memory().peak - before
    }
    expect(await peak('lean')).toBeLessThan(0.85 * (await peak('fast')))
  })

  test('auto goes by the memory that is free, and the summary says why', async () => {
    using space = workspace(BIG)
    using plenty = await prepareRun(space.config(), { device: createHostlessDevice(cpu, { limit: 1e9 }) })
    expect(summarize(plenty).join('\n')).toMatch(
      /^memory +fast: keeping everything takes about .* are free$/m,
    )
    using asked = await prepareRun(space.config({ memory: 'lean' }), { device: cpu })
    expect(summarize(asked).join('\n')).toMatch(/^memory +lean: as the file says$/m)
    const device = { ...cpu, capacity: 1000 }
    expect(memoryMode('auto', device, 701)).toMatchObject({ isLean: true })
    expect(memoryMode('auto', device, 699)).toMatchObject({ isLean: false })
    expect(memoryMode('fast', device, 5000)).toMatchObject({ isLean: false })
  })

  test('processes of one machine share what is free, and each has its own GPU', () => {
    const host = { ...cpu, capacity: undefined }
    const free = availableMemory()
    expect(memoryMode('auto', host, 0.5 * free)).toMatchObject({ isLean: false })
    expect(memoryMode('auto', host, 0.5 * free, 2)).toMatchObject({
      isLean: true,
      reason: expect.stringMatching(/ are free for each process$/),
    })
    expect(memoryMode('auto', { capacity: 1000 }, 699, 2)).toMatchObject({
      isLean: false,
      reason: expect.stringMatching(/ are free$/),
    })
  })
})
