/**
 * Several devices and machines: how the work is divided follows from how the command was started.
 */
import { ignored, type KeyFacts } from './key-fact.ts'

const ONE_DEVICE = 'each process has one device; how many there are is said by mpirun'
const PARTS =
  'what is divided over processes is said by zero_stage: 1 (the state of the optimizer; DeepSpeed’s zero1) and shard_base: true (the frozen weights; FSDP with an adapter); without them every process has all of both'
const WHOLE =
  'every process has the whole model; a step takes micro_batch_size × gradient_accumulation_steps documents on each of them, and there is one unless mpirun starts more'

export const DEVICE_KEYS: KeyFacts = {
  ignored: {
    ...ignored(ONE_DEVICE, [
      'device_map',
      'ddp',
      'ddp_bucket_cap_mb',
      'ddp_broadcast_buffers',
      'ddp_find_unused_parameters',
      'local_rank',
      'world_size',
      'heads_k_stride',
      'ring_attn_func',
      'env_capabilities',
      'capabilities',
      'resources_per_worker',
      'ray_num_workers',
      'ray_run_name',
    ]),
    ...ignored(PARTS, [
      'fsdp',
      'fsdp_config',
      'fsdp_version',
      'fsdp_final_state_dict_type',
      'deepspeed',
      'dp_shard_size',
      'dp_replicate_size',
      'qlora_sharded_model_loading',
    ]),
    ...ignored(WHOLE, [
      'use_ray',
      'tensor_parallel_size',
      'context_parallel_size',
      'sequence_parallel_degree',
      'expert_parallel_size',
      'expert_parallel_backend',
      'expert_parallel_num_nvl_bytes',
      'expert_parallel_num_rdma_bytes',
      'expert_parallel_token_capacity',
      'expert_parallel_fallback_on_unsupported',
    ]),
  },
  refused: {},
}
