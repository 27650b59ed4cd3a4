/**
 * A model with packed layers as transformers saves it: the tensors of a bitsandbytes checkpoint and the `quantization_config` that
 * belongs to them. Plain weights go as they are. Adapters are not looked at: merging is plugins/peft's.
 */
import type { TensorSource } from '../../core/files/safetensors-write.ts'
import {
  isQuantized,
  type Layer,
  type Model,
  noGrad,
  type QuantizedWeight,
  type Tensor,
  transpose,
  TrituneError,
} from '../../core/mod.ts'
import { NESTED_BLOCK } from '../../core/tensor/quantized-weight.ts'
import { tensorBytes } from '../../core/tensor/tensor-bytes.ts'
import { CODE_MAPS, moduleOf, NESTED_MAP, stateName } from './read-bitsandbytes.ts'

/** All tensors of the checkpoint, layer after layer. E_UNSUPPORTED for layers in a form that bitsandbytes has not. */
export function* bitsandbytesSources(model: Model): Generator<TensorSource> {
  const dtype = torchDType(model)
  expectNoExperts(model)
  yield* plainSources(model)
  for (const { path, weight } of model.layers.values())
    if (isQuantized(weight)) yield* packedSources(`${path}.weight`, weight, dtype)
}

/** transformers holds the experts of a block in one tensor, which bitsandbytes does not pack. */
function expectNoExperts({ expertParameters, info }: Model): void {
  if (!expertParameters?.size) return
  throw new TrituneError('E_UNSUPPORTED', `bitsandbytes has no form for the experts of a ${info.type}`, {
    remedy: 'keep the plain model: adapter: qlora packs it while it is loaded',
  })
}

/** The tensors of the checkpoint that are not packed, in its layout. */
export function* plainSources(model: Model): Generator<TensorSource> {
  const transposed = new Set(
    [...model.layers.values()].flatMap(({ path, transposed: is }) => (is ? [`${path}.weight`] : [])),
  )
  for (const [name, weight] of model.weights)
    yield transposed.has(name) ? turned(name, weight) : plain(name, weight)
}

/** The `quantization_config` of config.json; null: no layer is packed. */
export function bitsandbytesConfig(model: Model): Readonly<Record<string, unknown>> | null {
  const layers = [...model.layers.values()]
  const packed = layers.map(({ weight }) => weight).filter(isQuantized)
  const [first] = packed
  if (!first) return null
  const skipped = layers.filter(isSkippedLinear).map(({ path }) => path)
  const eight = first.kind === 'int8'
  return {
    _load_in_4bit: !eight,
    _load_in_8bit: eight,
    bnb_4bit_compute_dtype: torchDType(model),
    bnb_4bit_quant_storage: 'uint8',
    bnb_4bit_quant_type: eight ? 'fp4' : first.kind,
    bnb_4bit_use_double_quant: first.parts.nested !== undefined,
    llm_int8_enable_fp32_cpu_offload: false,
    llm_int8_has_fp16_weight: false,
    llm_int8_skip_modules: skipped,
    llm_int8_threshold: eight ? first.threshold : 6.0,
    load_in_4bit: !eight,
    load_in_8bit: eight,
    quant_method: 'bitsandbytes',
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function isSkippedLinear({ kind, weight }: Layer): boolean {
  return (kind === 'linear' || kind === 'head') && !isQuantized(weight)
}

function* packedSources(name: string, weight: QuantizedWeight, dtype: string): Generator<TensorSource> {
  const { kind, parts, shape, block, offset } = weight
  if (kind === 'int8') {
    yield plain(name, parts.data)
    yield plain(`${moduleOf(name)}.SCB`, parts.scale)
    yield {
      name: `${moduleOf(name)}.weight_format`,
      dtype: 'u8',
      shape: [],
      chunks: () => [new Uint8Array(1)],
    }
    return
  }
  if (kind === 'ternary')
    throw new TrituneError('E_UNSUPPORTED', 'bitsandbytes has no ternary weights', {
      place: name,
      remedy: 'pack with nf4, fp4 or int8',
    })
  yield { ...plain(name, parts.data), shape: [parts.data.size, 1] }
  yield plain(`${name}.absmax`, parts.scale)
  yield floats(`${name}.quant_map`, CODE_MAPS[kind])
  if (parts.nested) {
    yield plain(`${name}.nested_absmax`, parts.nested)
    yield floats(`${name}.nested_quant_map`, NESTED_MAP)
  }
  yield state(stateName(name, kind), [
    ['quant_type', JSON.stringify(kind)],
    ['blocksize', String(block)],
    ['dtype', JSON.stringify(dtype)],
    ['shape', `[${shape.join(', ')}]`],
    ...(parts.nested ? nestedFields(offset) : []),
  ])
}

function nestedFields(offset: number): (readonly [string, string])[] {
  return [
    ['nested_blocksize', String(NESTED_BLOCK)],
    ['nested_dtype', '"float32"'],
    ['nested_offset', pythonFloat(offset)],
  ]
}

/** As Python's json writes a number: digits of the double, and a point. */
function pythonFloat(value: number): string {
  const text = String(value)
  return /[.e]/.test(text) ? text.replace(/e-(\d)$/, 'e-0$1') : `${text}.0`
}

/** Byte for byte what Python's json.dumps gives. */
function state(name: string, fields: readonly (readonly [string, string])[]): TensorSource {
  const text = `{${fields.map(([key, value]) => `"${key}": ${value}`).join(', ')}}`
  const bytes = new TextEncoder().encode(text)
  return { name, dtype: 'u8', shape: [bytes.length], chunks: () => [bytes] }
}

function floats(name: string, values: readonly number[]): TensorSource {
  const bytes = new Uint8Array(Float32Array.from(values).buffer)
  return { name, dtype: 'f32', shape: [values.length], chunks: () => [bytes] }
}

function plain(name: string, made: Tensor): TensorSource {
  return { name, dtype: made.dtype, shape: made.shape, chunks: () => tensorBytes(made) }
}

/** A weight that its checkpoint stores as (in, out). */
function turned(name: string, weight: Tensor): TensorSource {
  return {
    name,
    dtype: weight.dtype,
    shape: weight.shape.toReversed(),
    *chunks() {
      using stored = noGrad(() => transpose(weight))
      yield* tensorBytes(stored)
    },
  }
}

function torchDType(model: Model): 'bfloat16' | 'float32' {
  return [...model.weights.values()].some(({ dtype }) => dtype === 'bf16') ? 'bfloat16' : 'float32'
}
