/**
 * `quantizer:`: the frozen base is packed while it is loaded, and a LoRA is trained on it.
 */
import { describe, expect, test } from 'bun:test'
import {
  defineOptions,
  definePlugin,
  mul,
  noGrad,
  type Plugin,
  type QuantizedTensor,
  quantize4bit,
  type Tensor,
  TrituneError,
} from '../../../core/mod.ts'
import { estimateMemory, prepareRun, summarize, train } from '../../../plugins/finetune/mod.ts'
import { cpu, type Changes, fileBytes, type Workspace, workspace } from './_run.ts'

const BIG = { hidden_size: 64, intermediate_size: 128 }

interface Halved extends QuantizedTensor {
  readonly values: Tensor
}

/** A form of its own that no op knows: half of every weight. */
function halving(shapeOf: (x: Tensor) => readonly number[] = (x) => x.shape): Plugin {
  return definePlugin({
    name: 'halving',
    provides: {
      quantizer: {
        half: {
          name: 'half',
          options: defineOptions({}),
          create: () => ({
            quantize(x): Halved {
              const values = noGrad(() => mul(x, 0.5))
              values.adopt(null)
              return {
                kind: 'half',
                shape: shapeOf(x),
                bytes: values.bytes,
                values,
                [Symbol.dispose]: () => values.dispose(),
              }
            },
            dequantize: (q: QuantizedTensor & Partial<Halved>) => q.values?.view() ?? never(),
          }),
        },
      },
    },
  })
}

function never(): never {
  throw new Error('no values')
}

async function refusal(work: () => Promise<unknown>): Promise<TrituneError> {
  try {
    await work()
  } catch (error) {
    if (error instanceof TrituneError) return error
    throw error
  }
  throw new Error('nothing was refused')
}

async function losses(
  space: Workspace,
  changes: Changes,
  plugins: readonly Plugin[] = [],
): Promise<number[]> {
  using run = await prepareRun(space.config(changes), { device: cpu, plugins })
  const all: number[] = []
  await train(run, { onEvent: (event) => void (event.type === 'step' && all.push(event.report.loss)) })
  return all
}

describe('quantizer', () => {
  test.each(['nf4', 'fp4', 'int8', 'ternary'])(
    '%s packs the linear layers and trains a LoRA',
    async (quantizer) => {
      using space = workspace(BIG)
      using whole = await prepareRun(space.config(), { device: cpu })
      using run = await prepareRun(space.config({ quantizer }), { device: cpu })
      const layers = [...run.model.layers.values()].filter(({ kind }) => kind === 'linear')
      expect(layers.map(({ weight }) => Reflect.get(weight, 'kind'))).toEqual(layers.map(() => quantizer))
      expect(estimateMemory(run).model).toBeLessThan(estimateMemory(whole).model / 2)
      expect(summarize(run).join('\n')).toContain(`quantizer  ${quantizer}`)
      // As many parameters, packed or not.
      const counts = [run, whole].map((one) =>
        summarize(one).filter((line) => /^(model|adapter) /.test(line)),
      )
      expect(counts[0]).toEqual(counts[1])
      await train(run)
    },
  )

  test('nf4 trains on exactly the values that quantize4bit() makes, and resumes to the bit', async () => {
    using space = workspace(BIG)
    const changes = { quantizer: { name: 'nf4', block: 128, double_quant: false }, lora_dropout: 0.1 }
    using run = await prepareRun(space.config(changes), { device: cpu })
    using plain = await prepareRun(space.config(), { device: cpu })
    for (const [path, { kind, weight }] of run.model.layers) {
      if (kind !== 'linear') continue
      const dense = plain.model.weights.get(`${path}.weight`) ?? never()
      using expected = quantize4bit(dense, { kind: 'nf4', block: 128, doubleQuant: false })
      const { data, scale } = Reflect.get(weight, 'parts')
      expect(data.toArray()).toEqual(expected.parts.data.toArray())
      expect(scale.toArray()).toEqual(expected.parts.scale.toArray())
    }
    const saving = { ...changes, save_strategy: undefined, save_steps: 2 }
    const whole = await space.train(saving)
    const again = await space.train(saving, { resume: { folder: `${whole.outputDir}/checkpoint-2` } })
    expect(again.losses).toEqual(whole.losses.slice(2))
    expect(fileBytes(whole.outputDir, 'adapter_config.json').length).toBeGreaterThan(0)
  })

  test("a plugin's own form is turned back: the run sees its values", async () => {
    using space = workspace(BIG)
    const halved = await losses(space, { quantizer: 'half', max_steps: 2 }, [halving()])
    const plain = await losses(space, { max_steps: 2, output_dir: `${space.path}/plain` })
    expect(halved).not.toEqual(plain)
    expect(halved.every(Number.isFinite)).toBe(true)
  })

  test('what cannot be is refused: all weights trained, another shape, wrong options', async () => {
    using space = workspace(BIG)
    const all = await refusal(() => losses(space, { quantizer: 'nf4', adapter: 'none' }))
    expect(all.message).toContain('quantizer: packed weights cannot be trained')
    const shape = await refusal(() => losses(space, { quantizer: 'half' }, [halving(() => [1, 2])]))
    expect(shape.code).toBe('E_PLUGIN')
    const options = await refusal(() => losses(space, { quantizer: { name: 'nf4', blok: 64 } }))
    expect(options.message).toContain('quantizer.blok: unknown key "blok"')
    const block = await refusal(() => losses(space, { quantizer: { name: 'nf4', block: 65 } }))
    expect(block.message).toContain('block')
  })
})
