/**
 * Prefix tuning (Li and Liang 2021, arXiv 2101.00190): trained keys and values stand before those of every document in each block.
 *
 *   prefix_projection   all = tanh(E·W₁ᵀ + b₁)·W₂ᵀ + b₂;  without it `all` itself is trained
 *
 * It changes no weight, so it cannot be merged.
 */
import {
  type AdapterContext,
  createRandom,
  defineOptions,
  flag,
  integer,
  linear,
  type ModelAdapter,
  type ModelAdapterDefinition,
  type ModelShape,
  nullable,
  oneOf,
  optional,
  type PeftTarget,
  reshape,
  slice,
  tanh,
  type Tensor,
  type ValidatableConfig,
} from '../../../core/mod.ts'
import { type Encoded, encodedTensor, plainTensor } from '../virtual/encoded.ts'
import { denseLeaves, normalLeaf, zeroLeaf } from '../virtual/leaves.ts'
import {
  expectShapes,
  SHAPE_FIELDS,
  shapeFields,
  shapesFor,
  shapesFromFile,
  shapesToWrite,
  type VirtualTokenOptions,
} from '../virtual/shape-options.ts'

/** PEFT's `PrefixTuningConfig`. */
export interface PrefixOptions extends VirtualTokenOptions {
  /** zero: keys and values start at 0. null: at random. */
  readonly init_weights: 'zero' | null
  /** Keys and values come from a small network, which is trained in their stead; the file holds what it gives. */
  readonly prefix_projection: boolean
  /** Width of that network; null: `token_dim`. */
  readonly encoder_hidden_size: number | null
}

const prefixOptions: ValidatableConfig<PrefixOptions> = defineOptions({
  ...shapeFields,
  init_weights: nullable(oneOf(['zero'])),
  prefix_projection: optional(flag(), false),
  encoder_hidden_size: nullable(integer({ min: 1 })),
})

const FIELDS = [...SHAPE_FIELDS, 'encoder_hidden_size', 'init_weights', 'prefix_projection']

// ---- definition -------------------------------------------------------------------------------------------------

/** Prefix tuning, for plugins and YAML: `adapter: prefix`. */
export const prefix: ModelAdapterDefinition<PrefixOptions> = {
  name: 'prefix',
  options: prefixOptions,
  createForModel: createPrefix,
  peft: { type: 'PREFIX_TUNING', fields: FIELDS, write: fieldsOf, read: optionsOf },
}

// ---- layer ------------------------------------------------------------------------------------------------------

/** What the tensors of the file and the keys and values of a block come from. */
interface Prefixes extends Encoded {
  /** Columns start … end of (length, blocks·2·width). */
  columns(start: number, end: number): Tensor
}

function createPrefix(model: ModelShape, options: PrefixOptions, context: AdapterContext): ModelAdapter {
  const { kvHeads, headSize } = model.info
  const { num_virtual_tokens: length } = options
  expectShapes('prefix', options, shapesFor(model.info, 'keys'))
  const width = kvHeads * headSize
  const { columns, ...tensors } =
    options.prefix_projection && !context.restoring
      ? projected(model, options, context)
      : direct(model, options, context)
  const part = (index: number): Tensor =>
    reshape(columns(index * width, (index + 1) * width), [length, kvHeads, headSize])
  return {
    kind: 'prefix',
    length,
    prefix: (block) => ({ k: part(2 * block), v: part(2 * block + 1) }),
    ...tensors,
  }
}

function direct(
  { info, embedding: { device } }: ModelShape,
  { num_virtual_tokens: length, init_weights }: PrefixOptions,
  { seed }: AdapterContext,
): Prefixes {
  const shape = [length, info.layerCount * 2 * info.kvHeads * info.headSize]
  const all =
    init_weights === 'zero'
      ? zeroLeaf(shape, device)
      : normalLeaf(createRandom(seed, 'prefix'), shape, device)
  return { columns: (start, end) => slice(all, { axis: 1, start, end }), ...plainTensor(all) }
}

/** Each block asks for its own rows of W₂ alone. */
function projected(
  { info, embedding: { device } }: ModelShape,
  { num_virtual_tokens: length, init_weights, encoder_hidden_size }: PrefixOptions,
  { seed }: AdapterContext,
): Prefixes {
  const random = createRandom(seed, 'prefix')
  const width = info.kvHeads * info.headSize
  const total = info.layerCount * 2 * width
  const hidden = encoder_hidden_size ?? width
  const embedded = normalLeaf(random, [length, width], device)
  const first = denseLeaves(random, 'transform.0', { inputs: width, outputs: hidden, device })
  const last = denseLeaves(random, 'transform.2', {
    inputs: hidden,
    outputs: total,
    device,
    zero: init_weights === 'zero',
  })
  const columns = (start: number, end: number): Tensor => {
    const inner = tanh(linear(embedded, first.weight, { bias: first.bias }))
    const bias = slice(last.bias, { start, end })
    return linear(inner, slice(last.weight, { start, end }), { bias })
  }
  return {
    columns,
    ...encodedTensor(
      { 'embedding.weight': embedded, ...first.named, ...last.named },
      { shape: [length, total], device },
      () => columns(0, total),
    ),
  }
}

// ---- format -----------------------------------------------------------------------------------------------------

function fieldsOf(options: PrefixOptions, { info }: PeftTarget): Record<string, unknown> {
  const shapes = shapesFor(info, 'keys')
  return {
    ...shapesToWrite(options, shapes),
    encoder_hidden_size: options.encoder_hidden_size ?? shapes.token_dim,
    init_weights: options.init_weights,
    prefix_projection: options.prefix_projection,
  }
}

/** With `prefix_projection` the file holds what the network gave. */
function optionsOf(fields: Readonly<Record<string, unknown>>): PrefixOptions {
  return prefixOptions.validate({
    ...shapesFromFile(fields),
    encoder_hidden_size: fields['encoder_hidden_size'],
    init_weights: fields['init_weights'],
    prefix_projection: fields['prefix_projection'],
  })
}
