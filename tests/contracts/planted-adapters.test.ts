/**
 * Mistakes planted in an adapter: the suite finds each of them.
 */
import { expect, test } from 'bun:test'
import {
  type Adapter,
  add,
  type BaseLayer,
  baseForward,
  cast,
  countLiveTensors,
  defineConfig,
  type FloatDType,
  type LayerAdapterDefinition,
  mul,
  noGrad,
  parameter,
  tensor,
  type Tensor,
} from '../../core/mod.ts'
import { lowRank, type LowRankOptions } from '../../docs/examples/low-rank.ts'
import { object } from 'valibot'
import { adapterContract, type AdapterContractOptions } from '../../testing/mod.ts'
import { broken } from './_planted.ts'

type Change = (adapter: Adapter, layer: BaseLayer, seed: number) => Partial<Adapter>

/** The adapter of docs/examples with some of its methods replaced. */
function changed(change: Change): LayerAdapterDefinition<LowRankOptions> {
  return {
    ...lowRank,
    create(layer, options, context) {
      const adapter = lowRank.create(layer, options, context)
      return { ...adapter, ...change(adapter, layer, context.seed) }
    },
  }
}

const filled = (x: Tensor, value: number): Tensor => cast(mul(cast(x, 'f32'), value), x.dtype as FloatDType)
let counter = 0

const PLANTED: readonly (readonly [string, string, Change])[] = [
  [
    'a fresh one leaves the model as it was',
    'a scale that is not 1 at the start',
    ({ forward }) => ({ forward: (x, base) => filled(forward(x, base), 1.01) }),
  ],
  [
    'gradients are the slopes of the loss',
    'a part that is taken out of the tape',
    ({ forward, delta }) => ({
      forward: (x, base) => {
        const y = forward(x, base)
        return add(
          y,
          noGrad(() => delta?.(x, base) ?? y),
        )
      },
    }),
  ],
  [
    'gradients are the slopes of the loss',
    'nothing on the tape',
    ({ forward }) => ({ forward: (x, base) => noGrad(() => forward(x, base)) }),
  ],
  [
    'checkpointing gives the same bits',
    'another result each time',
    ({ forward }) => ({ forward: (x, base) => filled(forward(x, base), 1 + 1e-3 * (counter++ % 7)) }),
  ],
  [
    'works on bf16 weights, with f32 parameters',
    'always f32',
    ({ forward }) => ({ forward: (x, base) => cast(forward(x, base), 'f32') }),
  ],
  [
    'works on packed weights',
    'a weight that is taken for a tensor',
    ({ forward }) => ({
      forward(x, base) {
        if ('parts' in base.weight) throw new Error('no tensor')
        return forward(x, base)
      },
    }),
  ],
  [
    'the merged weight gives what forward gives',
    'merging with the wrong sign',
    ({ merge, unmerge }) => ({ merge: unmerge, unmerge: merge }),
  ],
  [
    'merging makes a new weight of the same shape and dtype',
    'a merged weight that is always f32',
    ({ merge }) => ({ merge: (weight) => merge?.(cast(weight, 'f32')) ?? weight }),
  ],
  [
    'merging makes a new weight of the same shape and dtype',
    'merging in place',
    ({ merge }) => ({
      merge(weight) {
        const merged = merge?.(weight) ?? weight
        weight.set(merged.toArray())
        return merged
      },
    }),
  ],
  [
    'unmerging takes the change out again',
    'unmerging half of it',
    ({ unmerge }) => ({ unmerge: (weight) => filled(unmerge?.(weight) ?? weight, 0.99) }),
  ],
  [
    'delta is what forward adds to the layer',
    'a delta with the layer in it',
    ({ forward }) => ({ delta: forward }),
  ],
  [
    'is saved and loaded to the same bits',
    'a tensor that is not in the file',
    ({ parameters }) => ({ parameters: () => ({ b: parameters().b }) }),
  ],
  [
    "its files have PEFT's names",
    'the name of the adapter in names',
    ({ parameters }) => ({
      parameters: () => ({ 'a.default.weight': parameters().a, 'b.default.weight': parameters().b }),
    }),
  ],
  [
    'leaves the weights of the model alone',
    'training the weight of the layer',
    ({ forward }, { weight }) => {
      if (!('parts' in weight)) weight.requiresGrad = true
      return { forward }
    },
  ],
  [
    'the seed decides its initial values',
    'other numbers each time',
    ({ parameters, ...rest }) => {
      parameters().a.set(
        parameters()
          .a.toArray()
          .map(() => (counter += 0.001)),
      )
      return { ...rest, parameters }
    },
  ],
  [
    'lives as long as it is not disposed, and then leaves nothing',
    'a tensor that dispose forgets',
    ({ parameters, ...rest }) => {
      const { a, b } = parameters()
      return { ...rest, parameters, [Symbol.dispose]: () => (leaked.push(b), a.dispose()) }
    },
  ],
]

let leaked: Tensor[] = []

test.each(PLANTED)('"%s" finds %s', async (promise, _mistake, change) => {
  leaked = []
  const found = await broken(adapterContract(changed(change)))
  expect(found).toContain(promise)
  for (const tensor of leaked) tensor.dispose()
})

test('a resume finds what is neither saved nor made again', async () => {
  // How often it ran is part of the result, and only this one object knows it.
  const drifting = changed(({ forward }) => {
    let runs = 0
    return { forward: (x, base) => filled(forward(x, base), 1 + 0.01 * runs++) }
  })
  expect(await broken(adapterContract(drifting))).toContain('resumes to the same bits')
})

test('a tensor that dies with the scope is found, and so is one that nothing trains', async () => {
  const scoped: LayerAdapterDefinition<object> = {
    name: 'scoped',
    options: { ...defineConfig(object({})) },
    create({ outputs, device }) {
      const scale = parameter(tensor(new Float32Array(outputs).fill(1), { device }))
      return {
        kind: 'scoped',
        forward: (x, base) => {
          const y = baseForward(base, x)
          return mul(y, cast(scale, y.dtype as FloatDType))
        },
        parameters: () => ({ scale }),
        [Symbol.dispose]: () => scale.dispose(),
      }
    },
  }
  const found = await broken(adapterContract(scoped, { merges: false }))
  expect(found).toEqual([
    // valibot's object() drops keys that it does not know, in silence.
    'an option that it does not know is refused by name',
    'lives as long as it is not disposed, and then leaves nothing',
  ])
})

test.each([
  ['says that it cannot be merged', { merges: false }],
  ['a fresh one is on the model, and changes it', { identity: false }],
  ['learns', { learningRate: 0 }],
  ['the options {"rank":4} are refused by name', { wrongOptions: [{ rank: 4 }] }],
] satisfies [string, AdapterContractOptions][])('"%s" finds what is not so', async (promise, options) => {
  const before = countLiveTensors()
  expect(await broken(adapterContract(lowRank, options))).toEqual([promise])
  expect(countLiveTensors()).toBe(before)
})
