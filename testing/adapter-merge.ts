/**
 * Adapters: merging is the forward pass, unmerging its inverse, and `delta` what forward adds.
 */
import {
  type Adapter,
  baseForward,
  createRandom,
  denseWeight,
  type Device,
  type FloatDType,
  type Layer,
  mergedBias,
  mergedWeight,
  noGrad,
  sameShape,
  sub,
  tensor,
  type Tensor,
  tensorScope,
} from '../core/mod.ts'
import { openRig, shake } from './adapter-rig.ts'
import type { AdapterSettings } from './adapter-settings.ts'
import { check, type ContractCheck, expectKept, refusal, tensorText } from './check.ts'
import { bytesOf, expectClose, expectSameBits } from './compare.ts'

export function mergeChecks({ rig, merges, device }: AdapterSettings): ContractCheck[] {
  const { name } = rig.definition
  if ('createForModel' in rig.definition) return []
  const onLayers = (work: (layer: Layer, adapter: Adapter) => void, dtype: FloatDType = 'f32'): void => {
    using opened = openRig(rig, { device, dtype })
    shake(opened.adapter)
    for (const [path, adapter] of opened.adapter.adapters) {
      const layer = opened.model.layers.get(path)
      if (!layer) continue
      noGrad(() => {
        using _scope = tensorScope()
        work(layer, adapter)
      })
    }
  }
  const merging: ContractCheck[] = merges
    ? [
        check(`${name}: the merged weight gives what forward gives`, () =>
          onLayers((layer, adapter) => {
            const x = inputOf(layer, device)
            const weight = mergedWeight(layer)
            const bias = mergedBias(layer)
            const merged: Layer = { ...layer, weight, bias, adapters: [] }
            expectClose(
              `${layer.path}: what forward gives`,
              baseForward(merged, x).toArray(),
              adapter.forward(x, layer).toArray(),
              {
                tolerance: 1e-4,
                lookAt: `merge() of ${name}: sign, scale, transposition; mergeBias() where forward touches the bias`,
              },
            )
          }),
        ),
        check(`${name}: merging makes a new weight of the same shape and dtype`, () => {
          for (const dtype of ['f32', 'bf16'] as const)
            onLayers((layer, adapter) => {
              const weight = denseWeight(layer, dtype)
              const before = bytesOf(weight)
              const merged = expectMerge(adapter, weight)
              const fits = sameShape(merged.shape, weight.shape) && merged.dtype === weight.dtype
              expectKept(fits && merged.storage !== weight.storage, () => ({
                expected: `a new tensor, ${tensorText(layer.path, weight)}`,
                got: fits ? 'the weight itself' : tensorText('', merged).trim(),
                lookAt: `merge() of ${name}: compute in f32, cast to the dtype of the weight at the end`,
              }))
              expectSameBits(
                'the weight is left as it was',
                new Map([[layer.path, bytesOf(weight)]]),
                new Map([[layer.path, before]]),
                `merge() of ${name}: it must not write into its argument`,
              )
            }, dtype)
        }),
        check(`${name}: unmerging takes the change out again`, () =>
          onLayers((layer, adapter) => {
            if (!adapter.unmerge) return
            const weight = denseWeight(layer)
            const back = adapter.unmerge(expectMerge(adapter, weight))
            expectClose(`${layer.path}: the weight before`, back.toArray(), weight.toArray(), {
              tolerance: 1e-4,
              lookAt: `unmerge() of ${name}: the exact inverse of merge()`,
            })
          }),
        ),
      ]
    : [
        check(`${name}: says that it cannot be merged`, () =>
          onLayers((layer, adapter) => {
            expectKept(adapter.merge === undefined, () => ({
              expected: 'no merge() (merges: false was said)',
              got: 'merge()',
              lookAt: `the options of adapterContract, or merge() of ${name}`,
            }))
            refusal('merging', () => mergedWeight(layer), 'core/layers/merge-layer.ts')
          }),
        ),
      ]
  return [
    ...merging,
    check(`${name}: delta is what forward adds to the layer`, () =>
      onLayers((layer, adapter) => {
        if (!adapter.delta) return
        const x = inputOf(layer, device)
        expectClose(
          `${layer.path}: forward minus the layer alone`,
          adapter.delta(x, layer).toArray(),
          sub(adapter.forward(x, layer), baseForward(layer, x)).toArray(),
          { tolerance: 1e-3, lookAt: `delta() of ${name}: it leaves the base layer out` },
        )
      }),
    ),
  ]
}

// ---- helpers ----------------------------------------------------------------------------------------------------

const ROWS = 5

/** Numbers, or ids for an embedding. */
function inputOf({ path, kind, inputs }: Layer, device: Device): Tensor {
  const random = createRandom(3, path)
  if (kind === 'embedding')
    return tensor(
      Int32Array.from({ length: ROWS }, () => random.int(inputs)),
      { dtype: 'i32', device },
    )
  const values = Float32Array.from({ length: ROWS * inputs }, () => random.normal())
  return tensor(values, { shape: [ROWS, inputs], device })
}

function expectMerge(adapter: Adapter, weight: Tensor): Tensor {
  const merged = adapter.merge?.(weight)
  expectKept(merged !== undefined, () => ({
    expected: `merge() of ${adapter.kind}`,
    got: 'none',
    lookAt: 'the adapter, or say merges: false to adapterContract',
  }))
  return merged ?? weight
}
