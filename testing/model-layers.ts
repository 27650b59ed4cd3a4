/**
 * Models: what they say of themselves, layers that adapters can go on, and what is left of them.
 */
import {
  type Adapter,
  type BaseLayer,
  baseForward,
  isQuantized,
  type KeyValuePrefix,
  type LayerKind,
  type Model,
  type ModelAdapter,
  mul,
  sameShape,
  Tensor,
  tensor,
  tensorScope,
} from '../core/mod.ts'
import { createBatch } from '../plugins/models/mod.ts'
import { Broken, check, type ContractCheck, expectKept, refusal, tensorText, textOf } from './check.ts'
import { expectNothingLeft } from './leaks.ts'
import type { ModelSettings } from './model-settings.ts'
import { logitsOf, TINY_BATCHES } from './tiny-model.ts'

export function layerChecks({ name, device, wholeModelAdapters, open }: ModelSettings): ContractCheck[] {
  const create = `create() of ${name}`
  return [
    check(`${name}: says what it is, and its layers fit that`, () => {
      using model = open()
      const { info, embedding, head, layers, weights } = model
      const fits: Readonly<Record<string, readonly [unknown, unknown]>> = {
        'info.type': [info.type, name],
        'kind of the embedding': [embedding.kind, 'embedding'],
        'ids of the embedding': [embedding.inputs, info.vocabSize],
        'channels of the embedding': [embedding.outputs, info.hiddenSize],
        'kind of the head': [head.kind, 'head'],
        'channels of the head': [head.inputs, info.hiddenSize],
        'ids of the head': [head.outputs, info.vocabSize],
        'the embedding among the layers': [layers.get(embedding.path) === embedding, true],
        'the head among the layers': [layers.get(head.path) === head, true],
        'adapters at the start': [model.adapters.length, 0],
        'probe at the start': [model.probe, null],
      }
      for (const [what, [got, expected]] of Object.entries(fits))
        expectKept(got === expected, () => ({
          expected: `${what}: ${textOf(expected)}`,
          got: textOf(got),
          lookAt: create,
        }))
      for (const [what, value] of Object.entries(info))
        expectKept(typeof value !== 'number' || (Number.isInteger(value) && value > 0), () => ({
          expected: `info.${what} is a positive integer`,
          got: textOf(value),
          lookAt: create,
        }))
      for (const [path, layer] of layers) {
        expectKept(layer.path === path, () => ({
          expected: `the path ${path}`,
          got: layer.path,
          lookAt: create,
        }))
        expectLayer(layer, weights, create)
      }
    }),
    check(`${name}: hidden states are one row for each token, in the dtype of the weights`, () => {
      for (const dtype of ['f32', 'bf16'] as const) {
        using model = open({ dtype })
        using _scope = tensorScope()
        const [batch] = TINY_BATCHES
        const hidden = model.hidden(createBatch(batch, device))
        const shape = [batch.ids.length, model.info.hiddenSize]
        expectKept(sameShape(hidden.shape, shape) && hidden.dtype === dtype, () => ({
          expected: `(${shape.join(', ')}) ${dtype}`,
          got: tensorText('', hidden).trim(),
          lookAt: `hidden() of ${name}`,
        }))
      }
    }),
    check(`${name}: every layer takes adapters`, () => {
      using model = open()
      const plain = logitsOf(model)
      for (const [path, layer] of model.layers) {
        layer.adapters.push({ name: 'halved', adapter: halved(layer.kind), weight: 1 })
        const got = logitsOf(model)
        layer.adapters.pop()
        expectKept(
          got.some((value, i) => value !== plain[i]),
          () => ({
            expected: `other logits with an adapter on ${path}`,
            got: 'the same logits',
            lookAt: `hidden() of ${name}: forwardLayer(layer, x) instead of linear(x, layer.weight), normOf(layer) for norms; headLogits does it for the head`,
          }),
        )
      }
    }),
    ...(wholeModelAdapters
      ? [
          check(`${name}: takes adapters of the whole model`, () => {
            using model = open()
            const plain = logitsOf(model)
            for (const [what, adapter] of wholeModel(model)) {
              model.adapters.push({ name: what, adapter, weight: 1 })
              const got = logitsOf(model)
              model.adapters.pop()
              const isOther = got.length === plain.length && got.some((value, i) => value !== plain[i])
              expectKept(isOther, () => ({
                expected: `as many logits with ${what}, and other ones`,
                got:
                  got.length === plain.length
                    ? 'the same logits'
                    : `${got.length} instead of ${plain.length}`,
                lookAt: `hidden() of ${name}: ${what}; wholeModelAdapters: false says that it cannot`,
              }))
              adapter[Symbol.dispose]()
            }
          }),
        ]
      : []),
    check(`${name}: the probe sees its parts in order`, () => {
      using model = open()
      const seen: string[] = []
      model.probe = (path, value) => {
        if (!(value instanceof Tensor))
          throw new Broken({
            expected: 'a tensor for the probe',
            got: textOf(value),
            lookAt: `probe in ${name}`,
          })
        seen.push(path)
      }
      logitsOf(model)
      model.probe = null
      expectKept(seen.length >= model.info.layerCount && new Set(seen).size === seen.length, () => ({
        expected: `a name for each of the ${model.info.layerCount} blocks at least, each once`,
        got: seen.join(', ') || 'none',
        lookAt: `hidden() of ${name}: model.probe?.(path, h) after each part`,
      }))
    }),
    check(`${name}: a config.json that it cannot use is refused with a reason`, () => {
      expectNothingLeft(device, `${create}: what was loaded before the error`, () => {
        const { code } = refusal('an empty config.json', () => open({ config: {} }), create)
        expectKept(code === 'E_MODEL' || code === 'E_UNSUPPORTED', () => ({
          expected: 'E_MODEL or E_UNSUPPORTED',
          got: code,
          lookAt: create,
        }))
      })
    }),
    check(`${name}: leaves nothing`, () =>
      expectNothingLeft(
        device,
        `[Symbol.dispose]() of ${name}, and .adopt(null) for what lives as long as it`,
        () => {
          const model = (() => {
            using _scope = tensorScope()
            return open()
          })()
          logitsOf(model)
          model[Symbol.dispose]()
        },
      ),
    ),
  ]
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function expectLayer(
  { path, kind, weight, inputs, outputs, tiedTo }: BaseLayer,
  weights: Model['weights'],
  lookAt: string,
): void {
  const expected = kind === 'norm' ? [outputs] : kind === 'embedding' ? [inputs, outputs] : [outputs, inputs]
  expectKept(sameShape(weight.shape, expected), () => ({
    expected: `the weight of ${path} is (${expected.join(', ')})`,
    got: `(${weight.shape.join(', ')})`,
    lookAt,
  }))
  expectKept(tiedTo !== null || weights.has(`${path}.weight`), () => ({
    expected: `${path}.weight among the weights`,
    got: [...weights.keys()].join(', '),
    lookAt: `${lookAt}: weights has every tensor under its name in the checkpoint`,
  }))
}

/** Half of what the layer gives; of a norm, half of its weight. */
function halved(kind: LayerKind): Adapter {
  return {
    kind: `halved ${kind}`,
    forward: (x, base) => mul(baseForward(base, x), 0.5),
    replacement({ weight, bias, path }) {
      if (isQuantized(weight)) throw new Error(`${path} is packed`)
      return { weight: mul(weight, 0.5), bias: bias && mul(bias, 0.5) }
    },
    parameters: () => ({}),
    [Symbol.dispose]() {},
  }
}

/** One with virtual tokens, one with keys and values. */
function wholeModel({ info, head }: Model): [string, ModelAdapter][] {
  const { hiddenSize, kvHeads, headSize } = info
  const filled = (shape: readonly number[]): Tensor => {
    const size = shape.reduce((a, b) => a * b, 1)
    const made = tensor(
      Float32Array.from({ length: size }, (_, i) => Math.sin(i)),
      { shape, device: head.device },
    )
    made.adopt(null)
    return made
  }
  const length = 2
  const virtual = filled([length, hiddenSize])
  const pair: KeyValuePrefix = {
    k: filled([length, kvHeads, headSize]),
    v: filled([length, kvHeads, headSize]),
  }
  const base = { length, parameters: () => ({}) }
  return [
    [
      'virtualTokens()',
      { ...base, kind: 'virtual', virtualTokens: () => virtual, [Symbol.dispose]: () => virtual.dispose() },
    ],
    [
      'prefix()',
      {
        ...base,
        kind: 'prefix',
        prefix: () => pair,
        [Symbol.dispose]() {
          pair.k.dispose()
          pair.v.dispose()
        },
      },
    ],
  ]
}
