/**
 * The contract of an objective: `objectiveContract(definition)` gives its checks.
 */
import {
  backward,
  type Capabilities,
  type Device,
  type ExampleKind,
  type Model,
  noGrad,
  type Objective,
  type ObjectiveOptions,
  referenceDevice,
  tensorScope,
  type TokenizedExample,
  useDevice,
  withAdapters,
} from '../core/mod.ts'
import { type Batch, concatenate, joinDocuments } from '../plugins/data/mod.ts'
import { checkMetricNames, objectiveBatch } from '../plugins/finetune/mod.ts'
import { attachAdapter, type AttachedAdapter, lora } from '../plugins/peft/mod.ts'
import { shake } from './adapter-rig.ts'
import { check, type ContractCheck, expectKept, tensorText } from './check.ts'
import { expectClose } from './compare.ts'
import { optionChecks, type OptionsToTry } from './contract-options.ts'
import { type ContractDevice, NATIVE_DEVICES, onDevices, quickDevice } from './devices.ts'
import { expectNothingLeft } from './leaks.ts'
import { createWideDevice, type WideDevice } from './ops/wide-device.ts'
import { loadState, saveState } from './saved-state.ts'
import { expectSlopes } from './slopes.ts'
import { TINY_BATCHES, TINY_CONFIG, tinyModel } from './tiny-model.ts'

/** Options of `objectiveContract()`: the objective's, and where it is compared. */
export interface ObjectiveContractOptions extends OptionsToTry {
  /** Where its results are compared with the reference; default: the CPU, emulated CUDA. */
  readonly devices?: readonly ContractDevice[]
  /** Fields of the config.json of the tiny llama that it is tried on, besides those that it has. */
  readonly model?: Readonly<Record<string, unknown>>
}

/**
 * Checks of what an objective promises. Nothing runs before a check is run.
 *
 * @example
 * ```ts
 * import { crossEntropy } from 'tritune/plugins/finetune'
 * import { objectiveContract, runContract } from 'tritune/testing'
 *
 * const { failed } = await runContract(objectiveContract(crossEntropy, { devices: [] }))
 * console.log(failed.length) // → 0
 * ```
 */
export function objectiveContract(
  definition: Capabilities['objective'],
  options: ObjectiveContractOptions = {},
): ContractCheck[] {
  const { devices = NATIVE_DEVICES } = options
  const openModel = (on: Device, wide?: WideDevice): ObjectiveRig => openRig(on, options.model ?? {}, wide)
  const { name, takes = 'document' } = definition
  const device = quickDevice(referenceDevice)
  const maker: { create(options: unknown): Objective } = definition
  const make = (): Objective => maker.create(definition.options.validate(options.options ?? {}))
  const loss = `loss() of ${name}`
  const examples = examplesOf(takes)
  const half = examples.length / 2
  const first = concatenate(examples.slice(0, half))
  const second = concatenate(examples.slice(half))
  const both = concatenate(examples)
  /** Before the first step, and then the loss of micro-batches that are a window together. */
  const open = (rig: ObjectiveRig, objective: Objective, window: readonly Batch[]): ObjectiveOptions => {
    prepare(objective, rig.model, examples)
    const all = window.flatMap((batch) => batch.examples)
    const trained = window.reduce((sum, { trainedTokens }) => sum + trainedTokens, 0)
    const scale = 1 / (objective.averagedOver === 'examples' ? all.length : trained)
    return { scale, window: all, checkpointing: false, training: true }
  }
  /** The loss, and what is logged, of some micro-batches together. */
  const valueOn = (
    on: Device,
    batches: readonly Batch[],
    change: (usual: ObjectiveOptions) => Partial<ObjectiveOptions> = () => ({}),
  ): number[] => {
    using rig = openModel(on)
    const objective = make()
    const usual = open(rig, objective, batches)
    const all = { ...usual, ...change(usual) }
    const sums = batches.map((batch) => numbersOf(objective, rig.model, batch, all))
    objective[Symbol.dispose]?.()
    return sums.reduce((total, own) => total.map((value, i) => value + own[i]))
  }
  return [
    ...optionChecks(definition, options),
    check(`${name}: gives one finite f32 number, and numbers to log under names of its own`, () => {
      using rig = openModel(device)
      using _scope = tensorScope()
      const objective = make()
      const result = objective.loss(rig.model, objectiveBatch(first, device), open(rig, objective, [first]))
      checkMetricNames(Object.fromEntries(Object.keys(result.log ?? {}).map((key) => [key, 0])))
      for (const [key, value] of Object.entries({ loss: result.loss, ...result.log })) {
        const isNumber = value.size === 1 && Number.isFinite(value.item())
        expectKept(isNumber && (key !== 'loss' || value.dtype === 'f32'), () => ({
          expected: `${key}: one finite number${key === 'loss' ? ', f32' : ''}`,
          got: isNumber || value.size > 1 ? tensorText(key, value) : String(value.item()),
          lookAt: loss,
        }))
      }
      objective[Symbol.dispose]?.()
    }),
    check(`${name}: gradients are the slopes of the loss`, () => {
      const wide = createWideDevice()
      using _device = useDevice(wide)
      using rig = openModel(wide, wide)
      const objective = make()
      const usual = open(rig, objective, [first])
      expectSlopes(rig.adapter.parameters, {
        device: wide,
        loss: () => objective.loss(rig.model, objectiveBatch(first, wide), { ...usual }).loss,
        backward,
        lookAt: `${loss}: a number that is taken out of the tape by noGrad or toArray()`,
      })
      objective[Symbol.dispose]?.()
    }),
    check(`${name}: scale is a factor of the loss and of what is logged`, () => {
      const one = valueOn(device, [first], () => ({ scale: 0.1 }))
      const two = valueOn(device, [first], () => ({ scale: 0.2 }))
      expectClose(
        'twice the numbers for twice the scale',
        two,
        one.map((value) => 2 * value),
        {
          tolerance: 1e-4,
          lookAt: `${loss}: Σ (loss of a token) · scale, and so for every term of it`,
        },
      )
    }),
    check(`${name}: is the same whatever the split into micro-batches`, () =>
      expectClose(
        'the loss of all documents at once',
        valueOn(device, [first, second]),
        valueOn(device, [both]),
        {
          tolerance: 1e-4,
          lookAt: `${loss}: sums over tokens times scale (a mean over a micro-batch times its trainedTokens · scale), and no token of another document`,
        },
      ),
    ),
    check(`${name}: the same in evaluation and with checkpointing`, () => {
      const expected = valueOn(device, [first])
      const lookAt = `${loss}: training and checkpointing change how it is computed, not what`
      const evaluated = noGrad(() => valueOn(device, [first], () => ({ training: false })))
      expectClose('the loss of training, in evaluation', evaluated, expected, { tolerance: 1e-5, lookAt })
      const again = valueOn(device, [first], () => ({ checkpointing: true }))
      expectClose('the loss without checkpointing', again, expected, { tolerance: 1e-5, lookAt })
    }),
    check(`${name}: what it keeps is saved and taken back, and it leaves nothing`, () => {
      using rig = openModel(device)
      const run = (objective: Objective): number[] =>
        numbersOf(objective, rig.model, first, open(rig, objective, [first]))
      const once = make()
      run(once) // the model's tables grow with use
      once[Symbol.dispose]?.()
      expectNothingLeft(device, `${loss} and [Symbol.dispose]() of ${name}`, () => {
        const one = make()
        run(one)
        const saved = saveState(name, one)
        const other = make()
        loadState(name, other, saved)
        expectClose('the next loss, after a resume', run(other), run(one), {
          tolerance: 0,
          lookAt: `saveState() and tensors() of ${name}`,
        })
        one[Symbol.dispose]?.()
        other[Symbol.dispose]?.()
      })
    }),
    ...onDevices(devices, `${name}: gives what the reference gives`, (other) =>
      expectClose('the numbers of the reference', valueOn(other, [both]), valueOn(referenceDevice, [both]), {
        tolerance: 1e-3,
        lookAt: `${loss}: the device of the model, no memory of the host`,
      }),
    ),
  ]
}

// ---- helpers ----------------------------------------------------------------------------------------------------

interface ObjectiveRig extends Disposable {
  readonly model: Model
  readonly adapter: AttachedAdapter
}

/** The tiny model with a LoRA whose numbers are no zeros. */
function openRig(device: Device, more: Readonly<Record<string, unknown>>, wide?: WideDevice): ObjectiveRig {
  const model = tinyModel({ device, config: { ...TINY_CONFIG, ...more } })
  const adapter = attachAdapter(model, lora, lora.options.validate({ rank: 2 }), {
    targetModules: ['v_proj', 'down_proj'],
  })
  shake(adapter, wide)
  return {
    model,
    adapter,
    [Symbol.dispose]() {
      adapter[Symbol.dispose]()
      model[Symbol.dispose]()
    },
  }
}

/** What comes before the first step; the reference is the model without the adapter. */
function prepare(objective: Objective, model: Model, train: readonly TokenizedExample[]): void {
  objective.prepare?.({
    model,
    train,
    validation: [],
    isRehearsal: false,
    microBatchSize: train.length / 2,
    asReference: (fn) => withAdapters(model, [], fn),
    remembered: (_name, _examples, compute) => compute(),
    openModel: () => tinyModel({ device: model.head.device, seed: 5 }),
  })
}

/** Four examples of the tiny documents; in pairs each document meets the next one. */
function examplesOf(kind: ExampleKind): readonly TokenizedExample[] {
  const documents = TINY_BATCHES.flatMap(({ examples }) => examples)
  if (kind === 'document') return documents
  if (kind === 'labelled')
    return documents.map((document, i) => ({ ...document, values: { label: (i + 1) % 2 } }))
  return documents.map((document, i) =>
    joinDocuments([document, documents[(i + 1) % documents.length]], document.source, {
      values: { margin: i / 8 },
    }),
  )
}

/** The loss and what is logged, in the order of the names. */
function numbersOf(objective: Objective, model: Model, batch: Batch, options: ObjectiveOptions): number[] {
  using _scope = tensorScope()
  const { loss, log = {} } = objective.loss(model, objectiveBatch(batch, model.head.device), options)
  const logged = Object.entries(log).toSorted(([a], [b]) => (a < b ? -1 : 1))
  return [loss.item(), ...logged.map(([, value]) => value.item())]
}
