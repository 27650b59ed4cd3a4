/**
 * An adapter on the tiny model, as the checks of its contract need it: fresh, shaken, trained.
 */
import {
  adamw,
  type AnyAdapterDefinition,
  backward,
  chain,
  clipByGlobalNorm,
  createRandom,
  type Device,
  type GradientTransform,
  headCrossEntropy,
  type LayerKind,
  type Model,
  type Tensor,
  tensor,
  tensorScope,
  type TransformState,
} from '../core/mod.ts'
import { trainStep } from '../plugins/finetune/mod.ts'
import { createBatch } from '../plugins/models/mod.ts'
import { attachAdapter, type AttachedAdapter } from '../plugins/peft/mod.ts'
import type { OptionInput } from './contract-options.ts'
import type { WideDevice } from './ops/wide-device.ts'
import { TINY_BATCHES, tinyModel, type TinyOptions } from './tiny-model.ts'

export interface RigOptions {
  readonly definition: AnyAdapterDefinition
  readonly options: OptionInput
  /** Undefined: of the whole model. */
  readonly targetModules: readonly string[] | 'all-linear' | undefined
  readonly learningRate: number
}

/** A model with the adapter on it; disposing takes both away. */
export interface Rig extends Disposable {
  readonly model: Model
  readonly adapter: AttachedAdapter
}

/** Where an adapter goes on the tiny model when nothing is said: two layers of a kind that it takes, in each block. */
export function defaultTargets(definition: AnyAdapterDefinition): readonly string[] | undefined {
  if ('createForModel' in definition) return undefined
  const [kind = 'linear'] = definition.kinds ?? []
  const targets: Readonly<Record<LayerKind, readonly string[]>> = {
    linear: ['q_proj', 'down_proj'],
    embedding: ['embed_tokens'],
    head: ['lm_head'],
    norm: ['input_layernorm'],
  }
  return targets[kind]
}

export function attach(
  model: Model,
  { definition, options, targetModules }: RigOptions,
  seed = 0,
): AttachedAdapter {
  const checked = definition.options.validate(options)
  return attachAdapter(model, definition, checked, {
    seed,
    ...(targetModules === undefined ? {} : { targetModules }),
  })
}

export function openRig(rig: RigOptions, tiny: TinyOptions, seed = 0): Rig {
  const model = tinyModel(tiny)
  try {
    const adapter = attach(model, rig, seed)
    return {
      model,
      adapter,
      [Symbol.dispose]() {
        adapter[Symbol.dispose]()
        model[Symbol.dispose]()
      },
    }
  } catch (error) {
    model[Symbol.dispose]()
    throw error
  }
}

/** Moves what is trained away from its start, where many gradients are zero: the same numbers on every device. */
export function shake({ parameters }: AttachedAdapter, wide?: WideDevice): void {
  for (const [name, leaf] of parameters) {
    const random = createRandom(11, name)
    const before = wide ? wide.valuesOf(leaf) : leaf.toArray()
    const values = Float64Array.from(before, (value) => Math.fround(value + 0.1 * random.normal()))
    if (wide) wide.assign(leaf, values)
    else leaf.set(values)
  }
}

/** The mean loss of a micro-batch, on the tape. */
export function lossOf(
  model: Model,
  { checkpointing = false }: { readonly checkpointing?: boolean } = {},
): Tensor {
  const [batch] = TINY_BATCHES
  const { device } = model.head
  const hidden = model.hidden(createBatch(batch, device), { checkpointing })
  const targets = tensor(batch.targets, { dtype: 'i32', device })
  return headCrossEntropy(model.head, hidden, targets, { scale: 1 / batch.trainedTokens })
}

/** Loss and gradients as numbers; takes the gradients away. */
export function lossAndGradients(
  {
    model,
    adapter: { parameters },
  }: { readonly model: Model; readonly adapter: Pick<AttachedAdapter, 'parameters'> },
  options: { readonly checkpointing?: boolean } = {},
): Map<string, Float32Array> {
  const results = new Map<string, Float32Array>()
  {
    using _scope = tensorScope()
    const loss = lossOf(model, options)
    backward(loss)
    results.set('loss', loss.toArray())
  }
  for (const [name, leaf] of parameters) {
    results.set(`gradient of ${name}`, leaf.grad?.toArray() ?? new Float32Array())
    leaf.grad?.dispose()
    leaf.grad = null
  }
  return results
}

/** AdamW behind clipping, with what the adapter adds to a step. */
export function optimizerOf(
  adapter: AttachedAdapter,
  inner: GradientTransform = chain(clipByGlobalNorm(1), adamw()),
): TransformState {
  return adapter.around(inner).init(adapter.parameters)
}

/** Steps from … to; the losses. */
export function trainRig(
  { model, adapter: { parameters } }: Rig,
  optimizer: TransformState,
  {
    from = 0,
    to,
    learningRate,
  }: { readonly from?: number; readonly to: number; readonly learningRate: number },
): number[] {
  const device: Device = model.head.device
  const context = { model, device, parameters, optimizer, checkpointing: false, seed: 0 }
  return Array.from(
    { length: to - from },
    (_, i) => trainStep(context, TINY_BATCHES, { step: from + i, learningRate }).loss,
  )
}
