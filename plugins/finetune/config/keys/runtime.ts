/**
 * What is set of PyTorch, and the precision that is computed in.
 */
import { ignored, type KeyFacts } from './key-fact.ts'

const NO_TORCH = 'there is no PyTorch underneath'
const BF16 = 'products of f8 are computed in bf16 or f32, which is more exact'

export const RUNTIME_KEYS: KeyFacts = {
  ignored: {
    ...ignored(NO_TORCH, [
      'tf32',
      'torch_compile',
      'torch_compile_backend',
      'torch_compile_mode',
      'torch_compile_options',
      'torch_empty_cache_steps',
      'selective_checkpointing',
      'deepcompile',
      'gc_collect_steps',
      'torchdistx_path',
      'gradient_checkpointing_kwargs',
      'gc_steps',
      'low_cpu_mem_usage',
      'lora_on_cpu',
      'max_memory',
      'gpu_memory_limit',
      'experimental_skip_move_to_device',
      'layer_offloading',
      'ple_cpu_offload',
      'peft_autocast_adapter_dtype',
      'save_safetensors',
    ]),
    ...ignored(BF16, ['fp8', 'fp8_config', 'fp8_enable_fsdp_float8_all_gather']),
  },
  refused: {},
}
