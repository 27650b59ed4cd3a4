/**
 * What `zero_stage` and `shard_base` divide: pieces that are all there, none twice, and no block of 8 bits cut; what each process keeps; what is refused.
 */
import { afterAll, describe, expect, test } from 'bun:test'
import { adamw8bit, type Tensor, tensorScope, TrituneError, type World, zeros } from '../../../core/mod.ts'
import { loadModel } from '../../../plugins/models/mod.ts'
import { estimateConfig, finetuneConfig, prepareRun, summarize } from '../../../plugins/finetune/mod.ts'
import { divideWeights, STRETCH } from '../../../plugins/finetune/parallel/divided-weights.ts'
import { linkNotes } from '../../../plugins/finetune/parallel/link-notes.ts'
import { lion } from '../../../plugins/optim/mod.ts'
import { openShardedBase } from '../../../plugins/finetune/parallel/sharded-base.ts'
import { shardLayout } from '../../../plugins/finetune/parallel/shard-layout.ts'
import { nf4, packLayers } from '../../../plugins/qlora/mod.ts'
import { join } from 'node:path'
import { emptyPool } from '../../_memory.ts'
import { writeTinyModel } from '../../_tiny.ts'
import { thrownBy } from '../vsa-optim/_thrown.ts'
import { cpu, tinyRun, workspace } from './_run.ts'

const folder = workspace({ hidden_size: 128, intermediate_size: 256 })
afterAll(() => folder[Symbol.dispose]())

describe('divideWeights()', () => {
  const sizes = [5, 4096, 70_001, 300, 65_536, 1]
  const parameters = (): Map<string, Tensor> => new Map(sizes.map((size, i) => [`p${i}`, zeros([size])]))

  test.each([1, 2, 3, 8])('%d processes: every element once, cut between blocks of 256', (processes) => {
    using _scope = tensorScope()
    const all = parameters()
    const { pieces, stretch } = divideWeights(all, processes, 'elements')
    expect((stretch ?? 1) % STRETCH).toBe(0)
    for (const [name, { size }] of all) {
      const own = pieces.flat().filter(({ parameter }) => parameter === name)
      expect(own.reduce((sum, { length }) => sum + length, 0)).toBe(size)
      let end = 0
      for (const { start, length } of own) {
        expect([start, start % 256]).toEqual([end, 0])
        end += length
      }
    }
  })

  test('whole tensors, the largest first to who has least', () => {
    using _scope = tensorScope()
    const { pieces, stretch } = divideWeights(parameters(), 2, 'tensors')
    expect(stretch).toBeNull()
    expect(pieces.map((own) => own.map(({ parameter }) => parameter))).toEqual([
      ['p2'],
      ['p0', 'p1', 'p3', 'p4', 'p5'],
    ])
  })
})

describe('zero_stage', () => {
  test('the estimate counts the part of one process', async () => {
    const config = folder.config({ adapter: 'none', lora_r: undefined, zero_stage: 1 })
    const one = await estimateConfig(config, { device: cpu })
    const four = await estimateConfig(config, { device: cpu, processes: 4 })
    expect(one.notes.join()).toContain('zero_stage: 1 divides nothing')
    expect(four.notes.join()).not.toContain('zero_stage')
    // A step takes what all four have.
    expect(four.stepsPerEpoch).toBe(Math.ceil(one.stepsPerEpoch / 4))
    // Stretches of 32768 elements are as even as it gets.
    expect(four.parts.optimizer).toBeLessThanOrEqual(
      8 * STRETCH * Math.ceil(one.parts.optimizer / 8 / STRETCH / 4),
    )
    expect(four.parts.optimizer).toBeGreaterThanOrEqual(one.parts.optimizer / 4)
  })

  test.each([adamw8bit, (options: object) => lion({ ...options, states: '8bit' })])(
    'eight bits: a small piece of a large tensor keeps them, a small tensor does not',
    (optimizer) => {
      using _scope = tensorScope()
      const parameters = new Map([
        ['piece', zeros([904])],
        ['whole', zeros([904])],
      ])
      const sizeOf = (name: string): number | undefined => (name === 'piece' ? 5000 : undefined)
      using state = optimizer({ sizeOf }).init(parameters)
      const kept = [...state.tensors().keys()]
      expect(kept).toContain('m8.piece')
      expect(kept).toContain('m.whole')
    },
  )

  test('eight bits: small pieces of large tensors keep 8 bits', async () => {
    const config = folder.config({
      adapter: 'none',
      lora_r: undefined,
      zero_stage: 1,
      optimizer: 'adamw_8bit',
    })
    const bytes = async (processes: number): Promise<number> =>
      (await estimateConfig(config, { device: cpu, processes })).parts.optimizer
    expect(await bytes(4)).toBeLessThan(0.35 * (await bytes(1)))
  })

  test.each<readonly [object, string]>([
    [
      { zero_stage: 2 },
      'stage 2 is not supported: 1 divides the state of the optimizer, and shard_base: true',
    ],
    [{ zero_stage: 1, diloco: {} }, 'with diloco each has an optimizer of its own'],
    [{ shard_base: true, adapter: 'none', lora_r: undefined }, 'is for frozen weights'],
    [{ shard_base: true, peft_init_lora_weights: 'pissa' }, 'leaves no process the whole weights'],
    [{ shard_base: true, diloco: {} }, 'is for processes that make every step together'],
  ])('%j is refused', (changes, message) => {
    const validate = (): unknown => finetuneConfig.validate({ ...tinyRun(folder.path), ...changes })
    expect(validate).toThrow(message)
  })

  test('an optimizer that cannot be divided is refused, with those that can', async () => {
    const config = folder.config({
      zero_stage: 1,
      optimizer: 'schedule_free_adamw',
      lr_scheduler: 'constant',
    })
    const error = await prepareRun(config, { device: cpu }).catch((thrown: unknown) => thrown)
    expect(String(error)).toContain('optimizer: schedule_free_adamw cannot be divided over processes')
    expect(String(error)).toMatch(/take one of .*muon.*adamw/)
  })

  test('deepspeed: and fsdp: say which keys there are instead', () => {
    const { notes } = folder.config({ deepspeed: 'deepspeed_configs/zero1.json', fsdp: ['full_shard'] })
    expect(notes.join()).toMatch(/deepspeed.*zero_stage: 1/)
    expect(notes.join()).toMatch(/fsdp.*shard_base: true/)
  })
})

describe('shard_base', () => {
  const model = join(folder.path, 'deep')
  writeTinyModel(model, { num_hidden_layers: 6, hidden_size: 128, intermediate_size: 256 })
  /** Process 2 of 4; nobody is asked. */
  const world: Pick<World, 'rank' | 'size'> = { rank: 2, size: 4 }

  test.each(['f32', 'nf4'])(
    '%s: a process keeps its part, and the rest is freed while it is loaded',
    (form) => {
      const pack = form === 'nf4' ? packLayers(nf4.create(nf4.options.validate({})), 'f32') : undefined
      const liveOf = (
        processes: World | null,
      ): { readonly live: number; readonly peak: number; readonly whole: number } => {
        emptyPool()
        const before = cpu.memory().live
        cpu.resetPeak()
        using loading = processes && openShardedBase({ device: cpu, world: processes })
        using loaded = loadModel(model, {
          device: cpu,
          // Converted, so that nothing lies in a mapped file.
          dtype: form === 'nf4' ? 'f32' : 'bf16',
          pack,
          ...(loading && { onLayer: loading.add }),
        })
        loading?.end(loaded.layers.values())
        const { whole } = loading ?? shardLayout(loaded, 4)
        const layer = loaded.layers.get('model.layers.1.mlp.up_proj')
        if (loading && layer) {
          const read = (): unknown =>
            ('parts' in layer.weight ? layer.weight.parts.data : layer.weight).toArray()
          expect(thrownBy(read)).toEqual([
            'E_UNSUPPORTED',
            expect.stringContaining('wants to read them alone'),
          ])
        }
        const { live, peak } = cpu.memory()
        return { live: live - before, peak: peak - before, whole }
      }
      const whole = liveOf(null)
      const parts = liveOf({ ...FAKE, ...world })
      expect(parts.whole).toBe(whole.whole)
      const saved = whole.live - parts.live
      // Three quarters, less what is rounded up to 64 bytes.
      expect(saved / whole.whole).toBeGreaterThan(0.73)
      expect(saved / whole.whole).toBeLessThan(0.751)
      // While it is loaded: one block of six, and a weight in f32 on its way.
      expect(parts.peak - parts.live).toBeLessThan(whole.whole / 5 + 4 * 128 * 256)
    },
  )

  test('the estimate counts parts and two whole blocks', async () => {
    const config = folder.config({ base_model: model, shard_base: true })
    const [one, four] = [
      await estimateConfig(config, { device: cpu }),
      await estimateConfig(config, { device: cpu, processes: 4 }),
    ]
    using loaded = loadModel(model, { device: cpu })
    const { whole, resident } = shardLayout(loaded, 4)
    expect(one.parts.model - four.parts.model).toBe(whole - resident)
    expect(resident).toBeLessThan(0.6 * whole)
  })

  test('a GPU is refused, in an estimate too', async () => {
    const config = folder.config({ base_model: model, shard_base: true })
    const error = await estimateConfig(config, { vram: 2 ** 33, processes: 2 }).catch(
      (thrown: unknown) => thrown,
    )
    expect(String(error)).toContain('shard_base is for the CPU, this is cuda')
  })

  test('with one process nothing is divided, and a note says so', async () => {
    using run = await prepareRun(folder.config({ shard_base: true }), { device: cpu })
    expect(run.sharded).toBeNull()
    expect(summarize(run).join('\n')).toContain('shard_base divides nothing: there is one process')
  })
})

describe('linkNotes()', () => {
  test('full training on several machines: what a step shares, and how long that takes', () => {
    expect(linkNotes({ size: 2, localSize: 2 }, 4e9)).toEqual([])
    expect(linkNotes(null, 4e9)).toEqual([])
    const [note] = linkNotes({ size: 2, localSize: 1 }, 538e6)
    expect(note).toContain(
      'shares 513 MiB of gradients, by the cost model in 4.6 s at 1 Gb/s and 468 ms at 10 Gb/s',
    )
  })
})

function unasked(): never {
  throw new TrituneError('E_PEER', 'nobody is to be asked')
}

const FAKE: World = {
  rank: 0,
  size: 1,
  localRank: 0,
  localSize: 1,
  patience: 1,
  description: 'of a test',
  sum: unasked,
  sumPart: unasked,
  collect: unasked,
  exchange: unasked,
  gather: unasked,
  onDevice: () => null,
  broadcast: unasked,
  abort: unasked,
  forsake: unasked,
  [Symbol.dispose]: () => undefined,
}
