/**
 * Adapters: identity at the start, gradients against differences, the same with checkpointing and on every device.
 */
import { backward, quantize4bit, referenceDevice, tensorScope, useDevice } from '../core/mod.ts'
import { createBatch } from '../plugins/models/mod.ts'
import { attach, lossAndGradients, lossOf, openRig, type Rig, shake } from './adapter-rig.ts'
import type { AdapterSettings } from './adapter-settings.ts'
import { check, type ContractCheck, expectKept } from './check.ts'
import { expectClose, expectSameBits } from './compare.ts'
import { onDevices } from './devices.ts'
import { createWideDevice } from './ops/wide-device.ts'
import { expectSlopes } from './slopes.ts'
import { logitsOf, TINY_BATCHES, tinyModel } from './tiny-model.ts'

export function gradientChecks({
  rig,
  identity,
  packed,
  straightThrough,
  devices,
  device,
}: AdapterSettings): ContractCheck[] {
  const { name } = rig.definition
  const forward = `forward() of ${name}`
  return [
    check(
      identity
        ? `${name}: a fresh one leaves the model as it was`
        : `${name}: a fresh one is on the model, and changes it`,
      () => {
        using model = tinyModel({ device })
        const plain = logitsOf(model)
        using _adapter = attach(model, rig)
        const got = logitsOf(model)
        if (identity)
          expectClose('the logits of the model without the adapter', got, plain, {
            tolerance: 1e-5,
            lookAt: `the initial values in create() of ${name} (one factor of a product 0, a scale 1), and ${forward}`,
          })
        else
          expectKept(
            got.some((value, i) => value !== plain[i]),
            () => ({
              expected: 'other logits than without it (identity: false was said)',
              got: 'the same logits',
              lookAt: `${forward}: is what it makes used at all?`,
            }),
          )
      },
    ),
    check(`${name}: gradients are the slopes of the loss`, () => {
      const wide = createWideDevice()
      using _device = useDevice(wide)
      using opened = openRig(rig, { device: wide })
      const { model, adapter } = opened
      expectKept(adapter.parameters.size > 0, () => ({
        expected: 'something is trained',
        got: 'no parameter()',
        lookAt: `parameters() of ${name}, and parameter(…) around the tensors`,
      }))
      shake(adapter, wide)
      const tried = [...adapter.parameters].filter(
        ([parameter]) => !straightThrough.some((ending) => parameter.endsWith(ending)),
      )
      expectSlopes(new Map(tried), {
        device: wide,
        loss: () => lossOf(model),
        backward,
        lookAt: `${forward}: a number that is taken out of the tape by noGrad or toArray(), or an op with its own backward`,
      })
      for (const leaf of adapter.parameters.values()) {
        leaf.grad?.dispose()
        leaf.grad = null
      }
    }),
    check(`${name}: checkpointing gives the same bits`, () => {
      using opened = openRig(rig, { device })
      shake(opened.adapter)
      const lookAt = `${forward}: it runs a second time in the backward pass and must give the same (no Math.random, no counter)`
      const kept = lossAndGradients(opened)
      expectSameBits('without checkpointing', bits(lossAndGradients(opened)), bits(kept), lookAt)
      expectSameBits(
        'with checkpointing',
        bits(lossAndGradients(opened, { checkpointing: true })),
        bits(kept),
        lookAt,
      )
    }),
    ...onDevices(devices, `${name}: gives what the reference gives`, (other) => {
      const on = (one: typeof device): Map<string, Float32Array> => {
        using opened = openRig(rig, { device: one })
        shake(opened.adapter)
        return new Map([...lossAndGradients(opened), ['logits', logitsOf(opened.model)]])
      }
      const expected = on(referenceDevice)
      for (const [what, got] of on(other))
        expectClose(`${what} of the reference`, got, expected.get(what) ?? new Float32Array(), {
          tolerance: 1e-3,
          lookAt: `${forward}: memory that is read from the host, or a device that is not that of the layer`,
        })
    }),
    check(`${name}: works on bf16 weights, with f32 parameters`, () => {
      using opened = openRig(rig, { device, dtype: 'bf16' })
      shake(opened.adapter)
      expectDTypes(opened)
      const lookAt = `${forward}: cast the parameters to the dtype of x, and give that dtype back`
      {
        using _scope = tensorScope()
        const hidden = opened.model.hidden(createBatch(TINY_BATCHES[0], device))
        expectKept(hidden.dtype === 'bf16', () => ({
          expected: 'hidden states of the model in bf16',
          got: hidden.dtype,
          lookAt,
        }))
      }
      expectFinite(lossAndGradients(opened), lookAt)
    }),
    ...(packed
      ? [
          check(`${name}: works on packed weights`, () => {
            const pack = (_path: string, weight: Parameters<typeof quantize4bit>[0]) => quantize4bit(weight)
            using opened = openRig(rig, { device, pack })
            shake(opened.adapter)
            expectFinite(
              lossAndGradients(opened),
              `${forward}: baseForward(base, x) and denseWeight(base) take packed weights, base.weight may be one`,
            )
          }),
        ]
      : []),
  ]
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function bits(results: ReadonlyMap<string, Float32Array>): Map<string, Uint8Array> {
  return new Map(
    [...results].map(([name, { buffer, byteOffset, byteLength }]) => [
      name,
      new Uint8Array(buffer, byteOffset, byteLength),
    ]),
  )
}

function expectDTypes({ adapter }: Rig): void {
  for (const [name, { dtype }] of adapter.parameters)
    expectKept(dtype === 'f32', () => ({
      expected: `${name} is f32 whatever the weights are`,
      got: dtype,
      lookAt: `create() of ${adapter.kind}: tensor(…) and zeros(…) are f32 when no dtype is said`,
    }))
}

function expectFinite(results: ReadonlyMap<string, Float32Array>, lookAt: string): void {
  for (const [what, values] of results) {
    expectKept(values.length > 0, () => ({ expected: `a ${what}`, got: 'none', lookAt }))
    const at = values.findIndex((value) => !Number.isFinite(value))
    expectKept(at < 0, () => ({ expected: `${what} is finite`, got: `${values[at]} at [${at}]`, lookAt }))
  }
}
