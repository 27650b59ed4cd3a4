/**
 * P-tuning (Liu et al. 2021, arXiv 2103.10385): vectors before every document, as of prompt tuning, that a small network makes of trained ones. The
 * network is PEFT's PromptEncoder.
 *
 *   MLP    relu(relu(E·W₀ᵀ + b₀)·W₂ᵀ + b₂)·W₄ᵀ + b₄
 *   LSTM   relu(lstm(E)·W₀ᵀ + b₀)·W₂ᵀ + b₂, the LSTM in both directions
 *
 * The file holds what the network gives. It changes no weight, so it cannot be merged.
 */
import {
  type AdapterContext,
  createRandom,
  decimal,
  defineOptions,
  type Device,
  integer,
  linear,
  type ModelAdapter,
  type ModelAdapterDefinition,
  type ModelShape,
  nullable,
  oneOf,
  optional,
  type PeftTarget,
  type Random,
  relu,
  type Tensor,
  type ValidatableConfig,
} from '../../../core/mod.ts'
import { encodedTensor, plainTensor } from '../virtual/encoded.ts'
import { type DenseLeaves, denseLeaves, normalLeaf } from '../virtual/leaves.ts'
import { createLstm } from '../virtual/lstm.ts'
import {
  expectShapes,
  SHAPE_FIELDS,
  shapeFields,
  shapesFor,
  shapesFromFile,
  shapesToWrite,
  type VirtualTokenOptions,
} from '../virtual/shape-options.ts'

/** PEFT's `PromptEncoderConfig`. */
export interface PTuningOptions extends VirtualTokenOptions {
  readonly encoder_reparameterization_type: 'MLP' | 'LSTM'
  /** Width of the network; null: `token_dim`. */
  readonly encoder_hidden_size: number | null
  /** Layers of the LSTM; an MLP has its three. */
  readonly encoder_num_layers: number
  /** Between the layers of the LSTM. */
  readonly encoder_dropout: number
}

const pTuningOptions: ValidatableConfig<PTuningOptions> = defineOptions({
  ...shapeFields,
  encoder_reparameterization_type: optional(oneOf(['MLP', 'LSTM']), 'MLP'),
  encoder_hidden_size: nullable(integer({ min: 1 })),
  encoder_num_layers: optional(integer({ min: 1 }), 2),
  encoder_dropout: optional(decimal({ min: 0, below: 1 }), 0),
})

const FIELDS = [
  ...SHAPE_FIELDS,
  'encoder_dropout',
  'encoder_hidden_size',
  'encoder_num_layers',
  'encoder_reparameterization_type',
]

// ---- definition -------------------------------------------------------------------------------------------------

/** P-tuning, for plugins and YAML: `adapter: p-tuning`. */
export const pTuning: ModelAdapterDefinition<PTuningOptions> = {
  name: 'p-tuning',
  options: pTuningOptions,
  createForModel: createPTuning,
  peft: { type: 'P_TUNING', fields: FIELDS, write: fieldsOf, read: optionsOf },
}

// ---- layer ------------------------------------------------------------------------------------------------------

function createPTuning(model: ModelShape, options: PTuningOptions, context: AdapterContext): ModelAdapter {
  const {
    info,
    embedding: { device },
  } = model
  const { num_virtual_tokens: length } = options
  expectShapes('p-tuning', options, { token_dim: info.hiddenSize })
  const random = createRandom(context.seed, 'p-tuning')
  const shape = [length, info.hiddenSize]
  const start = normalLeaf(random, shape, device)
  if (context.restoring)
    return { kind: 'p-tuning', length, virtualTokens: () => start, ...plainTensor(start) }
  const network = networkOf(options, { random, width: info.hiddenSize, device })
  const make = (): Tensor => network.forward(start)
  const named = { 'embedding.weight': start, ...network.named }
  return { kind: 'p-tuning', length, virtualTokens: make, ...encodedTensor(named, { shape, device }, make) }
}

interface Network {
  readonly named: Readonly<Record<string, Tensor>>
  forward(x: Tensor): Tensor
}

function networkOf(
  options: PTuningOptions,
  { random, width, device }: { readonly random: Random; readonly width: number; readonly device: Device },
): Network {
  const hidden = options.encoder_hidden_size ?? width
  if (options.encoder_reparameterization_type === 'MLP')
    return stackOf(random, 'mlp_head', [width, hidden, hidden, width], device)
  const lstm = createLstm(random, 'lstm_head', {
    inputs: width,
    hidden,
    layers: options.encoder_num_layers,
    dropout: options.encoder_dropout,
    device,
  })
  const head = stackOf(random, 'mlp_head', [2 * hidden, 2 * hidden, width], device)
  return { named: { ...lstm.named, ...head.named }, forward: (x) => head.forward(lstm.forward(x)) }
}

/** Linear layers of these widths with ReLU between them, named as in a torch.nn.Sequential. */
function stackOf(random: Random, name: string, widths: readonly number[], device: Device): Network {
  const layers: DenseLeaves[] = widths
    .slice(1)
    .map((outputs, i) => denseLeaves(random, `${name}.${2 * i}`, { inputs: widths[i], outputs, device }))
  return {
    named: Object.assign({}, ...layers.map(({ named }) => named)),
    forward: (x) =>
      layers.reduce((seen, { weight, bias }, i) => linear(i === 0 ? seen : relu(seen), weight, { bias }), x),
  }
}

// ---- format -----------------------------------------------------------------------------------------------------

function fieldsOf(options: PTuningOptions, { info }: PeftTarget): Record<string, unknown> {
  const shapes = shapesFor(info, 'tokens')
  return {
    ...shapesToWrite(options, shapes),
    encoder_dropout: options.encoder_dropout,
    encoder_hidden_size: options.encoder_hidden_size ?? shapes.token_dim,
    encoder_num_layers: options.encoder_num_layers,
    encoder_reparameterization_type: options.encoder_reparameterization_type,
  }
}

function optionsOf(fields: Readonly<Record<string, unknown>>): PTuningOptions {
  return pTuningOptions.validate({
    ...shapesFromFile(fields),
    encoder_dropout: fields['encoder_dropout'],
    encoder_hidden_size: fields['encoder_hidden_size'],
    encoder_num_layers: fields['encoder_num_layers'],
    encoder_reparameterization_type: fields['encoder_reparameterization_type'],
  })
}
