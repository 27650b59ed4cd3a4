/**
 * The architectures of GGUF files that can be read and written.
 */
import { TrituneError } from '../../../core/errors.ts'
import { cohere2 } from './cohere2.ts'
import { DECODER, type GgufFamily, type GgufModelType } from './family.ts'
import { gemma, gemma2, gemma3 } from './gemma.ts'
import { glm4 } from './glm4.ts'
import { granite } from './granite.ts'
import { gptOss, mixtral, qwen3Moe } from './mixtures.ts'
import { olmo2 } from './olmo2.ts'
import { phi3 } from './phi3.ts'
import { smollm3 } from './smollm3.ts'
import { stablelm } from './stablelm.ts'

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
  },
  qwen3: {
    ...DECODER,
    modelType: 'qwen3',
    architecture: 'qwen3',
    hfArchitecture: 'Qwen3ForCausalLM',
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
  gemma,
  gemma2,
  gemma3_text: gemma3,
  phi3,
  olmo2,
  granite,
  smollm3,
  glm4,
  cohere2,
  stablelm,
  mixtral,
  qwen3_moe: qwen3Moe,
  gpt_oss: gptOss,
}

/** The family of a model type; E_UNSUPPORTED when there is none. */
export function ggufFamily(modelType: unknown, place: string): GgufFamily {
  // The text of a model that also sees images is written as a model of its own.
  const type = modelType === 'gemma3' ? 'gemma3_text' : modelType
  const found = Object.values(GGUF_FAMILIES).find((family) => family.modelType === type)
  if (found !== undefined) return found
  throw new TrituneError('E_UNSUPPORTED', `models of type "${String(modelType)}" have no GGUF form here`, {
    place,
    remedy: `supported: ${Object.keys(GGUF_FAMILIES).join(', ')}`,
  })
}
