/**
 * The parts of OFT and BOFT beside plain matrices in f64: blocks, butterflies, rotations, inverses; what is refused.
 */
import { describe, expect, test } from 'bun:test'
import { join } from 'node:path'
import {
  add,
  backward,
  type BaseLayer,
  createRandom,
  matmul,
  mul,
  noGrad,
  parameter,
  referenceDevice,
  reshape,
  sum,
  type Tensor,
  tensor,
  tensorScope,
  transpose,
  TrituneError,
  withNoise,
  zeros,
} from '../../../core/mod.ts'
import { openCpu } from '../../../plugins/cpu/mod.ts'
import { loadModel } from '../../../plugins/models/mod.ts'
import {
  attachAdapter,
  boft,
  createBoft,
  createOft,
  loadAdapter,
  oft,
  type OftOptions,
  saveAdapter,
} from '../../../plugins/peft/mod.ts'
import { identity } from '../../../plugins/peft/rotation/constants.ts'
import { blockMask } from '../../../plugins/peft/rotation/block-dropout.ts'
import { type BlockLayout, neighbours, turnBlocks } from '../../../plugins/peft/rotation/blocks.ts'
import { turnButterfly, turnButterflyBack } from '../../../plugins/peft/rotation/butterfly.ts'
import {
  cayleyChange,
  neumannChange,
  neumannRotation,
  USUAL_TERMS,
} from '../../../plugins/peft/rotation/cayley.ts'
import { invertBlocks } from '../../../plugins/peft/rotation/inverse.ts'
import { createSkewMaker } from '../../../plugins/peft/rotation/skew.ts'
import { blocksInOne, joinBlocks } from '../../../plugins/peft/rotation/wide-blocks.ts'
import { GOLDEN, relativeError, temporaryFolder } from '../../_golden.ts'

const cpu = openCpu()
const LLAMA = join(GOLDEN, 'peft-train/base')

function randomTensor(name: string, shape: readonly number[], scale = 1): Tensor {
  const random = createRandom(3, name)
  const length = shape.reduce((a, b) => a * b, 1)
  return tensor(
    Float32Array.from({ length }, () => scale * random.normal()),
    { shape, device: cpu },
  )
}

/** Where number `i` of a row goes: its block and its place there. */
function placeOf({ parts, places, run }: BlockLayout, i: number): [number, number] {
  const inGroup = i % (parts * places * run)
  const [group, part] = [Math.floor(i / (parts * places * run)), Math.floor(inGroup / (places * run))]
  const [place, number] = [Math.floor((inGroup % (places * run)) / run), inGroup % run]
  return [group * places + place, part * run + number]
}

/** The (in, in) matrix that turnBlocks never makes. */
function denseOf(blocks: Tensor, layout: BlockLayout): Tensor {
  const width = blocks.shape[2]
  const inputs = blocks.shape[0] * width
  const values = blocks.toArray()
  const dense = new Float32Array(inputs * inputs)
  for (let i = 0; i < inputs; i++)
    for (let j = 0; j < inputs; j++) {
      const [[block, row], [other, column]] = [placeOf(layout, i), placeOf(layout, j)]
      if (block === other) dense[i * inputs + j] = values[(block * width + row) * width + column]
    }
  return tensor(dense, { shape: [inputs, inputs], device: cpu })
}

const LAYOUTS: readonly BlockLayout[] = [
  { groups: 3, parts: 1, places: 1, run: 8 },
  { groups: 1, parts: 1, places: 1, run: 12 },
  { groups: 2, parts: 2, places: 3, run: 4 },
]

describe('blocks', () => {
  // Rows below, at, and off a multiple of those that are summed at once.
  test.each(LAYOUTS.flatMap((layout) => [1, 7, 512, 700].map((rows) => [layout, rows] as const)))(
    '%j with %i rows: product and gradients are those of the dense matrix',
    (layout, rows) => {
      using _scope = tensorScope()
      const { groups, parts, places, run } = layout
      const [width, count] = [parts * run, groups * places]
      const x = parameter(randomTensor('x', [rows, count * width]))
      const blocks = parameter(randomTensor('blocks', [count, width, width]))
      const weights = randomTensor('weights', [rows, count * width])
      const y = turnBlocks(x, blocks, layout)
      backward(sum(mul(y, weights)))
      const dense = parameter(denseOf(blocks, layout))
      const again = parameter(randomTensor('x', [rows, count * width]))
      const wanted = matmul(again, dense)
      backward(sum(mul(wanted, weights)))
      expect(relativeError(y.toArray(), wanted.toArray())).toBeLessThan(1e-6)
      expect(relativeError(x.grad!.toArray(), again.grad!.toArray())).toBeLessThan(1e-6)
      const slopes = denseOf(blocks.grad!, layout).toArray()
      const all = dense.grad!.toArray()
      const inside = denseOf(
        tensor(new Float32Array(blocks.size).fill(1), { shape: blocks.shape, device: cpu }),
        layout,
      )
      expect(
        relativeError(
          slopes,
          inside.toArray().map((one, i) => one * all[i]),
        ),
      ).toBeLessThan(2e-6)
      for (const leaf of [x, blocks, dense, again]) leaf.grad!.dispose()
    },
  )

  test('small ones side by side turn as they did alone', () => {
    expect([blocksInOne(144, 4), blocksInOne(10, 4), blocksInOne(7, 4), blocksInOne(6, 64)]).toEqual([
      8, 5, 7, 1,
    ])
    using _scope = tensorScope()
    const [x, blocks] = [randomTensor('x', [5, 24]), randomTensor('small', [6, 4, 4])]
    const alone = turnBlocks(x, blocks, neighbours(24, 4))
    const joined = turnBlocks(x, joinBlocks(blocks, 3), neighbours(24, 12))
    expect(relativeError(joined.toArray(), alone.toArray())).toBeLessThan(1e-6)
  })

  test('from half of their numbers', () => {
    using maker = createSkewMaker(3, cpu)
    using _scope = tensorScope()
    const numbers = parameter(tensor([1, 2, 3, 4, 5, 6], { shape: [2, 3], device: cpu }))
    const made = maker.make(numbers)
    expect([...made.toArray()]).toEqual(
      [0, 1, 2, -1, 0, 3, -2, -3, 0, 0, 4, 5, -4, 0, 6, -5, -6, 0].map((v) => v || 0),
    )
    backward(
      sum(
        mul(
          made,
          tensor(
            Array.from({ length: 18 }, (_, i) => i),
            { shape: [2, 3, 3], device: cpu },
          ),
        ),
      ),
    )
    expect([...numbers.grad!.toArray()]).toEqual([1 - 3, 2 - 6, 5 - 7, 10 - 12, 11 - 15, 14 - 16])
    numbers.grad!.dispose()
  })
})

describe('butterflies', () => {
  /** Bᵢ as the paper and PEFT make it: permutation, block diagonal, and back. */
  function factorOf(blocks: Tensor, i: number): Tensor {
    const [count, size] = blocks.shape
    const [inputs, group, half] = [count * size, size * 2 ** i, size / 2]
    const chunks = group / half
    const order = Array.from({ length: inputs }, (_, at) => {
      if (i === 0) return at
      const [start, within] = [at - (at % group), at % group]
      const [chunk, number] = [Math.floor(within / half), within % half]
      const from = chunk < chunks / 2 ? 2 * chunk : 2 * (chunk - chunks / 2) + 1
      return start + from * half + number
    })
    const permutation = zeros([inputs, inputs], { device: cpu })
    const ones = new Float32Array(inputs * inputs)
    for (const [at, from] of order.entries()) ones[at * inputs + from] = 1
    permutation.set(ones)
    return matmul(matmul(permutation, denseOf(blocks, neighbours(inputs, size))), permutation, {
      transposeB: true,
    })
  }

  test.each([
    [1, 6, 3],
    [2, 4, 4],
    [3, 8, 4],
    [6, 32, 2],
    [5, 16, 4],
    [3, 8, 64],
  ])('%i stages of %i blocks of %i numbers', (stages, count, size) => {
    using _scope = tensorScope()
    const inputs = count * size
    const factors = randomTensor('factors', [stages, count, size, size], 1 / Math.sqrt(size))
    let dense = factorOf(reshape(factors.rowsView(0, 1), [count, size, size]), 0)
    for (let i = 1; i < stages; i++)
      dense = matmul(factorOf(reshape(factors.rowsView(i, 1), [count, size, size]), i), dense)
    const x = randomTensor('x', [9, inputs])
    expect(relativeError(turnButterfly(x, factors).toArray(), matmul(x, dense).toArray())).toBeLessThan(2e-6)
    expect(
      relativeError(
        turnButterflyBack(x, factors).toArray(),
        matmul(x, dense, { transposeB: true }).toArray(),
      ),
    ).toBeLessThan(2e-6)
  })
})

describe('rotations', () => {
  const skewOf = (scale: number, size = 12): Tensor => {
    const all = randomTensor('skew', [3, size, size], scale)
    return noGrad(() => mul(add(all, mul(transpose(all), -1)), 0.5))
  }

  test.each([0, 1e-5, 0.1, 1, 10, 1000])(
    'exact ones of numbers like %d are orthogonal, and those of (I − Q)(I + Q)⁻¹',
    (scale) => {
      for (const size of [2, 12, 64]) {
        using _scope = tensorScope()
        const q = skewOf(scale, size)
        const change = noGrad(() => cayleyChange(q))
        const [numbers, deltas] = [q.toArray(), change.toArray()]
        const eye = (i: number, j: number): number => (i === j ? 1 : 0)
        let [worst, largest] = [0, 0]
        for (let block = 0; block < 3; block++)
          for (let i = 0; i < size; i++)
            for (let j = 0; j < size; j++) {
              // R(I + Q) = I − Q, so (R − I)(I + Q) = −2Q
              let product = 0
              for (let k = 0; k < size; k++)
                product +=
                  deltas[(block * size + i) * size + k] * (eye(k, j) + numbers[(block * size + k) * size + j])
              worst = Math.max(worst, Math.abs(product + 2 * numbers[(block * size + i) * size + j]))
              largest = Math.max(largest, Math.abs(numbers[(block * size + i) * size + j]))
            }
        expect(worst).toBeLessThanOrEqual(3e-6 * Math.sqrt(size) * largest)
        const r = noGrad(() => add(change, identity(size, cpu)))
        const square = noGrad(() => add(matmul(r, r, { transposeB: true }), mul(identity(size, cpu), -1)))
        expect(square.toArray().reduce((most, one) => Math.max(most, Math.abs(one)), 0)).toBeLessThan(
          1e-6 * (5 + size * largest),
        ) // what rounding Q to f32 changes
      }
    },
  )

  test('the series ends as that of PEFT', () => {
    using _scope = tensorScope()
    const q = skewOf(0.3)
    const powers = [q]
    for (let i = 1; i < 6; i++) powers.push(matmul(powers[i - 1], q))
    const series = (...factors: number[]): number[] => [
      ...factors.reduce((total, factor, i) => add(total, mul(powers[i], factor)), mul(q, 0)).toArray(),
    ]
    for (const [terms, wanted] of [
      [1, series()],
      [2, series(2)],
      [3, series(2, 2, 1)],
      [4, series(2, 2, 1)],
      [5, series(2, 2, 2, 1)],
      [7, series(2, 2, 2, 2, 2, 1)],
    ] as const)
      expect(relativeError(neumannChange(q, terms).toArray(), Float32Array.from(wanted))).toBeLessThan(1e-6)
  })

  test('the usual series in one piece: rotations and gradients', () => {
    using _scope = tensorScope()
    const [q, again] = [parameter(skewOf(0.3)), parameter(skewOf(0.3))]
    const weights = randomTensor('weights', q.shape)
    const whole = neumannRotation(q)
    const inTerms = add(neumannChange(again, USUAL_TERMS), identity(q.shape[1], cpu))
    expect(relativeError(whole.toArray(), inTerms.toArray())).toBeLessThan(1e-6)
    backward(sum(mul(whole, weights)))
    backward(sum(mul(inTerms, weights)))
    // Only what is skew of a slope reaches the numbers that are trained.
    const skewPart = (leaf: Tensor): Float32Array =>
      noGrad(() => add(leaf.grad!, mul(transpose(leaf.grad!), -1)).toArray())
    expect(relativeError(skewPart(q), skewPart(again))).toBeLessThan(2e-6)
    for (const leaf of [q, again]) leaf.grad!.dispose()
  })

  test('NaN and Inf are an error, not endless rounds', () => {
    for (const value of [Number.NaN, Infinity, 1e30]) {
      using _scope = tensorScope()
      const q = tensor([0, value, -value, 0], { shape: [1, 2, 2], device: cpu })
      expect(codeOf(() => cayleyChange(q))).toBe('E_NAN')
    }
  })

  test('inverses; a singular block has none', () => {
    using _scope = tensorScope()
    const blocks = randomTensor('blocks', [4, 7, 7])
    const product = matmul(invertBlocks(blocks), blocks).toArray()
    for (const [i, value] of product.entries())
      expect(Math.abs(value - ((i % 49) % 8 === 0 ? 1 : 0))).toBeLessThan(1e-4)
    expect(codeOf(() => invertBlocks(tensor([1, 2, 2, 4], { shape: [1, 2, 2], device: cpu })))).toBe(
      'E_ADAPTER',
    )
  })
})

describe('options', () => {
  const layer = (inputs: number): BaseLayer => ({
    path: 'layer',
    kind: 'linear',
    inputs,
    outputs: 6,
    weight: zeros([6, inputs]),
    bias: null,
    transposed: false,
    device: referenceDevice,
    tiedTo: null,
  })
  const withDefaults = (options: Partial<OftOptions>): OftOptions => oft.options.validate(options)

  test.each([
    [576, { oft_block_size: 32 }, [18, 496]],
    [576, {}, [18, 496]],
    [44, { oft_block_size: 32 }, [2, 231]], // 22 is nearer than 44
    [44, { r: 3 }, [2, 231]], // of 2 and 4 the smaller
    [576, { r: 8 }, [8, 2556]],
    [16, { oft_block_size: 64 }, [1, 120]],
    [576, { oft_block_size: 32, block_share: true }, [1, 496]],
  ] as const)('an OFT of %i inputs with %j', (inputs, options, shape) => {
    using _scope = tensorScope()
    using adapter = createOft(layer(inputs), withDefaults(options), { seed: 0 })
    expect(adapter.angles.shape).toEqual([...shape])
  })

  test.each([
    [{ boft_block_size: 5 }, /boft_block_size 5 does not divide its 48 inputs/],
    [{ boft_block_num: 5 }, /boft_block_num 5 does not divide/],
    [{ boft_block_size: 3, boft_n_butterfly_factor: 2 }, /even block size \(3\)/],
    [{ boft_block_size: 8, boft_n_butterfly_factor: 4 }, /multiple of 64 inputs \(48\)/],
  ])('a BOFT that does not fit: %j', (options, message) => {
    using _scope = tensorScope()
    const make = (): unknown => createBoft(layer(48), boft.options.validate(options), { seed: 0 })
    expect(make).toThrow(message)
    expect(codeOf(make)).toBe('E_ADAPTER')
  })

  test('an OFT of more blocks than its file has sides is loaded: they share one rotation', () => {
    using temporary = temporaryFolder()
    {
      using model = loadModel(LLAMA, { device: cpu })
      const options = withDefaults({ r: 16, block_share: true, init_weights: false })
      using adapter = attachAdapter(model, oft, options, { targetModules: ['q_proj'] })
      saveAdapter(temporary.path, adapter, { baseModel: null })
    }
    using model = loadModel(LLAMA, { device: cpu })
    using adapter = loadAdapter(model, temporary.path)
    expect([...adapter.tensors.values()].map(({ shape }) => shape.join())).toEqual(['1,1', '1,1', '1,1'])
  })

  test('dropout takes ⌊p·n⌋ blocks, others in another step, none outside of training', () => {
    const masks = [0, 1, 1].map((step) =>
      blockMask({ seed: 5, step }, { blocks: 10, p: 0.35, site: 'layer' }),
    )
    for (const mask of masks) expect(mask.filter((one) => one === 0).length).toBe(3)
    expect(masks[1]).toEqual(masks[2])
    expect(masks[0]).not.toEqual(masks[1])
    using model = loadModel(LLAMA, { device: cpu })
    const q = model.layers.get('model.layers.0.self_attn.q_proj')!
    for (const make of [
      () =>
        createOft(q, withDefaults({ oft_block_size: 4, module_dropout: 0.5, init_weights: false }), {
          seed: 0,
        }),
      () => createBoft(q, boft.options.validate({ boft_dropout: 0.5, init_weights: false }), { seed: 0 }),
    ]) {
      using adapter = make()
      using _scope = tensorScope()
      const run = (step: number | null): Float32Array =>
        noGrad(() =>
          withNoise(step === null ? null : { seed: 1, step }, () =>
            adapter.forward(randomTensor('x', [3, 32]), q).toArray(),
          ),
        )
      expect(run(3)).toEqual(run(3))
      expect(run(3)).not.toEqual(run(4))
      expect(run(3)).not.toEqual(run(null))
      expect(run(null)).toEqual(run(null))
    }
  })
})

function codeOf(fn: () => unknown): string {
  try {
    fn()
  } catch (error) {
    if (error instanceof TrituneError) return error.code
    throw error
  }
  return 'nothing'
}
