/**
 * An architecture of GGUF files beside a model of transformers: names of tensors, and how weights lie. Which ones there are is in table.ts.
 * Names: gguf-py/gguf/tensor_mapping.py.
 */
import { TrituneError } from '../../../core/errors.ts'
import type { GgufExperts } from './experts.ts'
import type { GgufOwnKeys, Json } from './own-keys.ts'

/** Model types that can be read from a GGUF file and written to one. */
export type GgufModelType =
  | 'llama'
  | 'mistral'
  | 'qwen2'
  | 'qwen3'
  | 'gpt2'
  | 'gemma'
  | 'gemma2'
  | 'gemma3_text'
  | 'phi3'
  | 'olmo2'
  | 'granite'
  | 'smollm3'
  | 'glm4'
  | 'cohere2'
  | 'stablelm'
  | 'mixtral'
  | 'qwen3_moe'
  | 'gpt_oss'

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
  /** Norms hold w, and files 1 + w. */
  readonly normsFromOne?: boolean
  /** The activation that llama.cpp computes, and how config.json calls the field; default: silu, hidden_act. */
  readonly activation?: { readonly key: string; readonly name: string }
  /** LayerNorms, with `layer_norm_eps`; default: RMSNorms. */
  readonly layerNorms?: boolean
  /** Of a mixture of experts. */
  readonly experts?: GgufExperts
  /** llama.cpp rounds the borders of yarn for it, and says so in a note; for others these must be whole. */
  readonly yarnWhole?: boolean
  /** A part of each head may turn. */
  readonly partial?: boolean
  /** config.json with rotation at the top, where it has more than one. */
  flat?(config: Json): Json
  /** Keys beside those of every decoder. */
  readonly own?: GgufOwnKeys
}

/** Decoders with the names of llama. */
export const DECODER: Pick<GgufFamily, 'transposed' | 'permuted' | 'outer' | 'layer' | 'blocks'> = {
  transposed: false,
  permuted: false,
  outer: { token_embd: 'model.embed_tokens', output_norm: 'model.norm', output: 'lm_head' },
  layer: {
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
  },
  blocks: 'model.layers',
}

/**
 * `blk.0.attn_q.weight` → `model.layers.0.self_attn.q_proj.weight`; undefined for what transformers does not store.
 * `place`: where the tensor is, for the error.
 * @throws E_UNSUPPORTED for a name that the family has not
 */
export function hfName(family: GgufFamily, name: string, place?: string): string | undefined {
  if (/^rope_(freqs|factors_long|factors_short)\.weight$/.test(name)) return undefined
  const [stem, ending] = splitEnding(name)
  const block = /^blk\.(\d+)\.(\w+)$/.exec(stem)
  const inner = block === null ? own(family.outer, stem) : own(family.layer, block[2])
  if (inner === undefined || ending === undefined)
    throw new TrituneError('E_UNSUPPORTED', `the tensor "${name}" belongs to no supported architecture`, {
      place,
      remedy: 'update tritune, or use the safetensors folder of the model',
    })
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

/** What a file adds to the numbers of this weight: norms of some families are w in one place and 1 + w in the other. */
export function shiftOf(family: GgufFamily, name: string): number {
  return family.normsFromOne === true && name.endsWith('norm.weight') ? 1 : 0
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
