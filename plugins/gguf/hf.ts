/**
 * A GGUF file seen as a Hugging Face model: its config.json as an object and its weights under HF names, in HF layout.
 * Architectures: those of families/table.ts (mistral files call themselves llama too). Nothing is written here; see write-model.ts for the way
 * back.
 */

import { TrituneError } from '../../core/errors.ts'
import { dequantize } from './dequantize.ts'
import { type GgufExperts, type StoredStack, unstacked } from './families/experts.ts'
import { type GgufFamily, hfName, isTransposed, permutedHeads, shiftOf } from './families/family.ts'
import { familyOfFile, type GgufHfConfig, readHfConfig } from './hf-config.ts'
import { fileRow, transposed } from './permute.ts'
import type { GgufFile, GgufTensor } from './read.ts'
import type { RowRange } from './tensor.ts'
import { readGgufRows, readGgufTensor, rowElements } from './tensor.ts'

/** One weight of a GGUF file, under the name and in the layout of its Hugging Face checkpoint. */
export interface GgufHfTensor {
  /** HF name, `model.layers.0.self_attn.q_proj.weight`. */
  readonly name: string
  /** As transformers stores it: (out, in), of gpt2 (in, out), or (size); row-major. */
  readonly shape: readonly number[]
  /** How the file stores it (`Q4_1`…). */
  readonly storedType: string
  /** Decodes rows, by default all, in HF order. */
  read(range?: RowRange): Float32Array
}

/** A GGUF file as a Hugging Face model: config.json, and weights that are decoded when they are read. */
export interface GgufHfModel {
  readonly config: GgufHfConfig
  /** In the order of the file. */
  readonly tensors: ReadonlyMap<string, GgufHfTensor>
}

/**
 * Sees a GGUF file as a Hugging Face model. Throws E_UNSUPPORTED for architectures that are not here, E_FORMAT when the file contradicts itself.
 *
 * @throws E_UNSUPPORTED for other architectures and partial rotation; E_FORMAT when a tensor or a
 * key is missing or has the wrong shape
 * @example
 * ```ts
 * import { ggufToHf, openGguf } from 'tritune/plugins/gguf'
 *
 * const { config, tensors } = ggufToHf(openGguf('my-model.gguf'))
 * const query = tensors.get('model.layers.0.self_attn.q_proj.weight')
 * console.log(config.model_type, query?.read({ rowStart: 0, rowCount: 1 }).length === query?.shape[1]) // → llama true
 * ```
 */
export function ggufToHf(file: GgufFile): GgufHfModel {
  const family = familyOfFile(file)
  const config = readHfConfig(file, family)
  const tensors = new Map<string, GgufHfTensor>()
  for (const tensor of file.tensors.values()) {
    if (family.experts && STACK.test(tensor.name)) continue
    const name = plainName(hfName(family, tensor.name, file.path))
    if (name !== undefined) tensors.set(name, hfTensor(file, tensor, name, family, config))
  }
  for (const one of family.experts ? expertTensors(file, family.experts, family.blocks) : [])
    tensors.set(one.name, one)
  // Of the others the model that is made says what is missing.
  if (CHECKED.has(family.modelType)) checkTensors(file, config, tensors)
  return { config, tensors }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** `blk.0.ffn_up_exps.weight` */
const STACK = /^blk\.(\d+)\.(ffn_(?:gate|up|down)_exps\.(?:weight|bias))$/

/** transformers stores sinks under the name alone. */
function plainName(name: string | undefined): string | undefined {
  return name?.replace(/\.sinks\.weight$/, '.sinks')
}

/** The experts of all blocks, as transformers has them. */
function* expertTensors(file: GgufFile, experts: GgufExperts, blocks: string): Generator<GgufHfTensor> {
  const byBlock = new Map<string, Map<string, StoredStack>>()
  for (const tensor of file.tensors.values()) {
    const found = STACK.exec(tensor.name)
    if (!found) continue
    const stacks = byBlock.get(found[1]) ?? new Map<string, StoredStack>()
    byBlock.set(found[1], stacks)
    stacks.set(found[2], {
      shape: tensor.shape,
      storedType: tensor.type.name,
      expert: (index) => readGgufTensor(file, tensor, { rowStart: index, rowCount: 1 }),
    })
  }
  for (const [block, stacks] of byBlock) {
    for (const { name, shape, storedType, read } of unstacked(experts, stacks))
      yield {
        name: `${blocks}.${block}.${name}`,
        shape,
        storedType,
        read({ rowStart = 0, rowCount = shape[0] - rowStart } = {}) {
          const columns = rowElements(shape)
          return read().subarray(rowStart * columns, (rowStart + rowCount) * columns)
        },
      }
  }
}

/** Families whose tensors are all known here. */
const WHOLE = 'take the file again: it is not whole, or not of the model that it names'
const CHECKED = new Set(['llama', 'mistral', 'qwen2', 'qwen3', 'gpt2'])

function hfTensor(
  file: GgufFile,
  tensor: GgufTensor,
  name: string,
  family: GgufFamily,
  config: GgufHfConfig,
): GgufHfTensor {
  const heads =
    config.model_type === 'gpt2'
      ? undefined
      : permutedHeads(family, tensor.name, {
          heads: config.num_attention_heads,
          kvHeads: config.num_key_value_heads,
        })
  const turned = isTransposed(family, tensor.name)
  return {
    name,
    shape: turned ? tensor.shape.toReversed() : tensor.shape,
    storedType: tensor.type.name,
    read: (range = {}) => {
      if (turned) return readTransposed(file, tensor, range)
      const shift = shiftOf(family, tensor.name)
      if (shift !== 0) return readGgufTensor(file, tensor, range).map((value) => value - shift)
      return heads === undefined
        ? readGgufTensor(file, tensor, range)
        : readPermuted(file, tensor, heads, range)
    },
  }
}

/** Rows of the turned tensor are columns in the file, so it is read whole. */
function readTransposed(file: GgufFile, tensor: GgufTensor, range: RowRange): Float32Array {
  const [rows, columns] = tensor.shape
  const all = transposed(readGgufTensor(file, tensor), rows, columns)
  const { rowStart = 0, rowCount = columns - rowStart } = range
  if (rowStart < 0 || rowCount < 0 || rowStart + rowCount > columns)
    throw new TrituneError(
      'E_SHAPE',
      `rows ${rowStart}…${rowStart + rowCount} were asked for, it has ${columns}`,
      { place: `${file.path}: tensor "${tensor.name}"` },
    )
  return all.subarray(rowStart * rows, (rowStart + rowCount) * rows)
}

/** Reads rows of a q or k projection back in HF order. */
function readPermuted(file: GgufFile, tensor: GgufTensor, heads: number, range: RowRange): Float32Array {
  const rows = tensor.shape[0]
  const columns = rowElements(tensor.shape)
  const headRows = rows / heads
  const start = range.rowStart ?? 0
  const count = range.rowCount ?? rows - start
  const firstHead = Math.floor(start / headRows)
  const lastHead = Math.ceil((start + count) / headRows)
  const source = { rowStart: firstHead * headRows, rowCount: (lastHead - firstHead) * headRows }
  const bytes = readGgufRows(file, tensor, source)
  const rowBytes = bytes.length / source.rowCount
  const out = new Float32Array(count * columns)
  const place = `${file.path}: tensor "${tensor.name}"`
  for (let r = 0; r < count; r++) {
    const from = fileRow(start + r, headRows) - source.rowStart
    const row = bytes.subarray(from * rowBytes, (from + 1) * rowBytes)
    dequantize(tensor.type, row, out.subarray(r * columns, (r + 1) * columns), place)
  }
  return out
}

/** Every weight of every layer must be there and have the shape that the config implies. */
function checkTensors(
  file: GgufFile,
  config: GgufHfConfig,
  tensors: ReadonlyMap<string, GgufHfTensor>,
): void {
  for (const [name, shape] of config.model_type === 'gpt2' ? gpt2Shapes(config) : decoderShapes(config)) {
    const tensor = tensors.get(name)
    if (tensor === undefined)
      throw new TrituneError('E_FORMAT', `the weight ${name} is missing`, {
        place: file.path,
        remedy: WHOLE,
      })
    if (tensor.shape.join() !== shape.join()) {
      throw new TrituneError('E_FORMAT', `${name} has shape [${tensor.shape}], expected [${shape}]`, {
        place: file.path,
        remedy: WHOLE,
      })
    }
  }
}

function* decoderShapes(
  config: Exclude<GgufHfConfig, { model_type: 'gpt2' }>,
): Generator<[name: string, shape: number[]]> {
  const { hidden_size: hidden, intermediate_size: inner, head_dim: headDim } = config
  const q = config.num_attention_heads * headDim
  const kv = config.num_key_value_heads * headDim
  yield ['model.embed_tokens.weight', [config.vocab_size, hidden]]
  for (let i = 0; i < config.num_hidden_layers; i++) {
    const layer = `model.layers.${i}`
    yield [`${layer}.input_layernorm.weight`, [hidden]]
    yield [`${layer}.self_attn.q_proj.weight`, [q, hidden]]
    yield [`${layer}.self_attn.k_proj.weight`, [kv, hidden]]
    yield [`${layer}.self_attn.v_proj.weight`, [kv, hidden]]
    yield [`${layer}.self_attn.o_proj.weight`, [hidden, q]]
    if (config.attention_bias || config.model_type === 'qwen2') {
      yield [`${layer}.self_attn.q_proj.bias`, [q]]
      yield [`${layer}.self_attn.k_proj.bias`, [kv]]
      yield [`${layer}.self_attn.v_proj.bias`, [kv]]
    }
    if (config.model_type === 'qwen3') {
      yield [`${layer}.self_attn.q_norm.weight`, [headDim]]
      yield [`${layer}.self_attn.k_norm.weight`, [headDim]]
    }
    yield [`${layer}.post_attention_layernorm.weight`, [hidden]]
    yield [`${layer}.mlp.gate_proj.weight`, [inner, hidden]]
    yield [`${layer}.mlp.up_proj.weight`, [inner, hidden]]
    yield [`${layer}.mlp.down_proj.weight`, [hidden, inner]]
  }
  yield ['model.norm.weight', [hidden]]
  if (!config.tie_word_embeddings) yield ['lm_head.weight', [config.vocab_size, hidden]]
}

function* gpt2Shapes(
  config: Extract<GgufHfConfig, { model_type: 'gpt2' }>,
): Generator<[name: string, shape: number[]]> {
  const { n_embd: hidden, n_inner: inner } = config
  yield ['transformer.wte.weight', [config.vocab_size, hidden]]
  yield ['transformer.wpe.weight', [config.n_positions, hidden]]
  for (let i = 0; i < config.n_layer; i++) {
    const layer = `transformer.h.${i}`
    const linear: [string, number, number][] = [
      ['attn.c_attn', hidden, 3 * hidden],
      ['attn.c_proj', hidden, hidden],
      ['mlp.c_fc', hidden, inner],
      ['mlp.c_proj', inner, hidden],
    ]
    for (const [name, from, to] of linear) {
      yield [`${layer}.${name}.weight`, [from, to]]
      yield [`${layer}.${name}.bias`, [to]]
    }
    for (const name of ['ln_1', 'ln_2']) {
      yield [`${layer}.${name}.weight`, [hidden]]
      yield [`${layer}.${name}.bias`, [hidden]]
    }
  }
  yield ['transformer.ln_f.weight', [hidden]]
  yield ['transformer.ln_f.bias', [hidden]]
  if (!config.tie_word_embeddings) yield ['lm_head.weight', [config.vocab_size, hidden]]
}
