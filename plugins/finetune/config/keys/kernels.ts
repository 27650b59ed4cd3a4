/**
 * Which kernels are used: fused ones are always on, and a GPU kernel of another project is none here.
 */
import { ignored, type KeyFacts, refused } from './key-fact.ts'

const OWN_KERNELS = 'fused kernels are always on where the device has them'
const OTHER_MODEL = 'it is about a model family that is not there'
const TOKEN_SCALING = 'losses weighted by token probabilities'
const NORMS = 'norms in another precision'

export const KERNEL_KEYS: KeyFacts = {
  ignored: {
    ...ignored(OWN_KERNELS, [
      'flash_attn_cross_entropy',
      'flash_attn_rms_norm',
      'flash_attn_fuse_qkv',
      'flash_attn_fuse_mlp',
      'lora_mlp_kernel',
      'lora_qkv_kernel',
      'lora_o_kernel',
      'lora_embedding_kernel',
      'unsloth_cross_entropy_loss',
      'unsloth_lora_mlp',
      'unsloth_lora_qkv',
      'unsloth_lora_o',
      'unsloth_rms_norm',
      'unsloth_rope',
      'liger_rope',
      'liger_rms_norm',
      'liger_layer_norm',
      'liger_swiglu',
      'liger_glu_activation',
      'liger_cross_entropy',
      'liger_fused_linear_cross_entropy',
      'liger_rms_norm_gated',
      'cut_cross_entropy',
      'chunked_cross_entropy',
      'chunked_cross_entropy_num_chunks',
      'tiled_mlp',
      'tiled_mlp_num_shards',
      'tiled_mlp_use_original_mlp',
      'use_kernels',
      'fused_attn_kernel',
    ]),
    ...ignored(OTHER_MODEL, [
      'use_dsv4_kernels',
      'use_glm_dsa_kernels',
      'dsv4_fp8_nonexpert_mode',
      'dsv4_fp8_lora_kernel',
      'dsv4_shared_mlp_lora_kernel',
      'dsv4_bf16_all',
      'dsv4_fp4_grouped_mode',
      'gemma4_fp8_nonexpert',
      'gemma4_nf4_nonexpert',
    ]),
  },
  refused: {
    ...refused(TOKEN_SCALING, ['liger_use_token_scaling']),
    ...refused(NORMS, ['fp32_norms', 'fp32_norm_classes']),
  },
}
