/**
 * The architectures of GGUF files beside the models of transformers: their names, the names of their tensors, and how weights lie.
 * Names: gguf-py/gguf/tensor_mapping.py.
 */
import { TrituneError } from '../../core/errors.ts'

/** Model types that can be read from a GGUF file and written to one. */
export type GgufModelType = 'llama' | 'mistral' | 'qwen2' | 'qwen3' | 'gpt2'

/** Where two models differ in a GGUF file. */
export interface GgufFamily {
  readonly modelType: GgufModelType
  /** `general.architecture`; llama.cpp runs mistral as llama. */
  readonly architecture: string
  readonly hfArchitecture: string
  /** Rows of q and k are interleaved, because llama.cpp rotates neighbours where transformers rotates halves. */
  readonly permuted: boolean
  /** transformers stores the linear layers of the blocks as (in, out). */
  readonly transposed: boolean
  /** Names without their ending, GGUF's → transformers'. */
  readonly outer: Readonly<Record<string, string | undefined>>
  readonly layer: Readonly<Record<string, string | undefined>>
  /** What transformers puts before the number of a block. */
  readonly blocks: string
}

const DECODER_OUTER = { token_embd: 'model.embed_tokens', output_norm: 'model.norm', output: 'lm_head' }
const DECODER_LAYER = {
  attn_norm: 'input_layernorm',
  attn_q: 'self_attn.q_proj',
  attn_k: 'self_attn.k_proj',
  attn_v: 'self_attn.v_proj',
  attn_output: 'self_attn.o_proj',
  attn_q_norm: 'self_attn.q_norm',
  attn_k_norm: 'self_attn.k_norm',
  ffn_norm: 'post_attention_layernorm',
  ffn_gate: 'mlp.gate_proj',
  ffn_up: 'mlp.up_proj',
  ffn_down: 'mlp.down_proj',
}
const DECODER = { transposed: false, outer: DECODER_OUTER, layer: DECODER_LAYER, blocks: 'model.layers' }

/** By the `model_type` of transformers. */
export const GGUF_FAMILIES: Readonly<Record<GgufModelType, GgufFamily>> = {
  llama: {
    ...DECODER,
    modelType: 'llama',
    architecture: 'llama',
    hfArchitecture: 'LlamaForCausalLM',
    permuted: true,
  },
  mistral: {
    ...DECODER,
    modelType: 'mistral',
    architecture: 'llama',
    hfArchitecture: 'MistralForCausalLM',
    permuted: true,
  },
  qwen2: {
    ...DECODER,
    modelType: 'qwen2',
    architecture: 'qwen2',
    hfArchitecture: 'Qwen2ForCausalLM',
    permuted: false,
  },
  qwen3: {
    ...DECODER,
    modelType: 'qwen3',
    architecture: 'qwen3',
    hfArchitecture: 'Qwen3ForCausalLM',
    permuted: false,
  },
  gpt2: {
    modelType: 'gpt2',
    architecture: 'gpt2',
    hfArchitecture: 'GPT2LMHeadModel',
    permuted: false,
    transposed: true,
    blocks: 'transformer.h',
    outer: {
      token_embd: 'transformer.wte',
      position_embd: 'transformer.wpe',
      output_norm: 'transformer.ln_f',
      output: 'lm_head',
    },
    layer: {
      attn_norm: 'ln_1',
      attn_qkv: 'attn.c_attn',
      attn_output: 'attn.c_proj',
      ffn_norm: 'ln_2',
      ffn_up: 'mlp.c_fc',
      ffn_down: 'mlp.c_proj',
    },
  },
}

/** The family of a model type; E_UNSUPPORTED when there is none. */
export function ggufFamily(modelType: unknown, place: string): GgufFamily {
  const found = Object.values(GGUF_FAMILIES).find((family) => family.modelType === modelType)
  if (found !== undefined) return found
  throw new TrituneError('E_UNSUPPORTED', `models of type "${String(modelType)}" have no GGUF form here`, {
    place,
    remedy: `supported: ${Object.keys(GGUF_FAMILIES).join(', ')}`,
  })
}

/**
 * `blk.0.attn_q.weight` → `model.layers.0.self_attn.q_proj.weight`; undefined for what transformers does not store.
 * @throws E_UNSUPPORTED for a name that the family has not
 */
export function hfName(family: GgufFamily, name: string): string | undefined {
  if (name === 'rope_freqs.weight') return undefined
  const [stem, ending] = splitEnding(name)
  const block = /^blk\.(\d+)\.(\w+)$/.exec(stem)
  const inner = block === null ? own(family.outer, stem) : own(family.layer, block[2])
  if (inner === undefined || ending === undefined)
    throw new TrituneError('E_UNSUPPORTED', `the tensor "${name}" belongs to no supported architecture`)
  return block === null ? `${inner}.${ending}` : `${family.blocks}.${block[1]}.${inner}.${ending}`
}

/**
 * `model.layers.0.self_attn.q_proj.weight` → `blk.0.attn_q.weight`.
 * @throws E_UNSUPPORTED for a name that the family has not
 */
export function ggufName(family: GgufFamily, name: string): string {
  const [stem, ending] = splitEnding(name)
  const prefix = `${family.blocks}.`
  const block = stem.startsWith(prefix) ? /^(\d+)\.(.+)$/.exec(stem.slice(prefix.length)) : null
  const found = keyOf(block === null ? family.outer : family.layer, block === null ? stem : block[2])
  if (found === undefined || ending === undefined)
    throw new TrituneError('E_UNSUPPORTED', `llama.cpp has no place for the tensor "${name}"`, {
      remedy: `it is not part of a plain ${family.modelType}`,
    })
  return block === null ? `${found}.${ending}` : `blk.${block[1]}.${found}.${ending}`
}

/** Whether the weight of this GGUF name lies as (in, out) at transformers. */
export function isTransposed(family: GgufFamily, name: string): boolean {
  return family.transposed && /^blk\.\d+\.(attn_qkv|attn_output|ffn_up|ffn_down)\.weight$/.test(name)
}

/** Heads by which the rows of this GGUF name are interleaved; undefined for rows that are not. */
export function permutedHeads(
  family: GgufFamily,
  name: string,
  { heads, kvHeads }: { readonly heads: number; readonly kvHeads: number },
): number | undefined {
  if (!family.permuted) return undefined
  if (/^blk\.\d+\.attn_q\.(weight|bias)/.test(name)) return heads
  return /^blk\.\d+\.attn_k\.(weight|bias)/.test(name) ? kvHeads : undefined
}

function splitEnding(name: string): [stem: string, ending: string | undefined] {
  const found = /^(.+)\.(weight|bias)$/.exec(name)
  return found === null ? [name, undefined] : [found[1], found[2]]
}

function own(names: Readonly<Record<string, string | undefined>>, key: string): string | undefined {
  return Object.hasOwn(names, key) ? names[key] : undefined
}

function keyOf(names: Readonly<Record<string, string | undefined>>, value: string): string | undefined {
  return Object.keys(names).find((key) => names[key] === value)
}
