/**
 * Adapters in a run: they learn, leave the base model alone, resume to the same bits, depend on the seed alone, leave nothing.
 */
import { countLiveTensors, tensorScope } from '../core/mod.ts'
import { attach, openRig, optimizerOf, type Rig, trainRig } from './adapter-rig.ts'
import type { AdapterSettings } from './adapter-settings.ts'
import { check, type ContractCheck, expectKept } from './check.ts'
import { expectSameBits, snapshot } from './compare.ts'
import { loadState, saveState } from './saved-state.ts'
import { expectNothingLeft } from './leaks.ts'
import { logitsOf, tinyModel } from './tiny-model.ts'
import { setTensorBytes } from '../core/tensor/tensor-bytes.ts'

const STEPS = 12
const HALF = 3

export function runChecks({ rig, device }: AdapterSettings): ContractCheck[] {
  const { learningRate } = rig
  const { name } = rig.definition
  const train = (opened: Rig, to: number): number[] => {
    using optimizer = optimizerOf(opened.adapter)
    return trainRig(opened, optimizer, { to, learningRate })
  }
  return [
    check(`${name}: learns`, () => {
      using opened = openRig(rig, { device })
      const losses = train(opened, STEPS)
      expectKept(losses[STEPS - 1] < losses[0], () => ({
        expected: `a loss below ${losses[0]} after ${STEPS} steps with a learning rate of ${learningRate}`,
        got: String(losses[STEPS - 1]),
        lookAt: `what is trained of ${name}, and the learningRate that adapterContract was given`,
      }))
    }),
    check(`${name}: leaves the weights of the model alone`, () => {
      using model = tinyModel({ device })
      const weights = snapshot(model.weights)
      const lookAt = `forward(), merge() and [Symbol.dispose]() of ${name}: the weights belong to the model`
      {
        const adapter = attach(model, rig)
        using optimizer = optimizerOf(adapter)
        trainRig({ model, adapter, [Symbol.dispose]() {} }, optimizer, { to: 2, learningRate })
        adapter[Symbol.dispose]()
      }
      expectSameBits('the weights from before', snapshot(model.weights), weights, lookAt)
      const touched = [...model.weights].find(([, { grad }]) => grad !== null)
      expectKept(touched === undefined, () => ({
        expected: 'no gradients of the weights of the model',
        got: `one of ${touched?.[0]}`,
        lookAt,
      }))
    }),
    check(`${name}: resumes to the same bits`, () => {
      const whole = outcome()
      const resumed = outcome(HALF)
      expectSameBits(
        `after ${2 * HALF} steps, of which ${HALF} after a resume`,
        resumed,
        whole,
        `what ${name} keeps between steps: parameters() has what is trained, tensors() and saveState() the rest`,
      )
      function outcome(stop?: number): Map<string, Uint8Array> {
        using first = openRig(rig, { device })
        using optimizer = optimizerOf(first.adapter)
        trainRig(first, optimizer, { to: stop ?? 2 * HALF, learningRate })
        if (stop === undefined) return snapshot(first.adapter.tensors)
        const weights = snapshot(first.adapter.tensors)
        const state = saveState(name, optimizer)
        using second = openRig(rig, { device })
        using again = optimizerOf(second.adapter)
        for (const [file, tensor] of second.adapter.tensors) {
          const bytes = weights.get(file)
          if (bytes) setTensorBytes(tensor, bytes)
        }
        loadState(name, again, state)
        trainRig(second, again, { from: stop, to: 2 * HALF, learningRate })
        return snapshot(second.adapter.tensors)
      }
    }),
    check(`${name}: the seed decides its initial values`, () => {
      const tensorsOf = (seed: number): Map<string, Uint8Array> => {
        using opened = openRig(rig, { device }, seed)
        return snapshot(opened.adapter.tensors)
      }
      expectSameBits(
        'two with the same seed',
        tensorsOf(3),
        tensorsOf(3),
        `create() of ${name}: createRandom(seed, siteOf(layer.path)) instead of Math.random()`,
      )
    }),
    check(`${name}: lives as long as it is not disposed, and then leaves nothing`, () => {
      expectNothingLeft(
        device,
        `create() and [Symbol.dispose]() of ${name}: .adopt(null) for what lives as long as it, .dispose() for each of them`,
        () => {
          using model = tinyModel({ device }) // its tables grow with use
          const adapter = (() => {
            using _scope = tensorScope()
            return attach(model, rig)
          })()
          const dead = [...adapter.tensors].find(([, { disposed }]) => disposed)
          expectKept(dead === undefined, () => ({
            expected: 'its tensors outlive the scope in which it was made',
            got: `${dead?.[0]} was freed with the scope`,
            lookAt: `create() of ${name}: take it out of the scope with .adopt(null)`,
          }))
          logitsOf(model)
          const between = countLiveTensors()
          logitsOf(model)
          expectKept(countLiveTensors() === between, () => ({
            expected: 'a forward pass that leaves no tensors',
            got: `${countLiveTensors() - between} more after one`,
            lookAt: `forward() of ${name}: tensors that it adopts or keeps`,
          }))
          train({ model, adapter, [Symbol.dispose]() {} }, 2)
          adapter[Symbol.dispose]()
        },
      )
    }),
  ]
}
