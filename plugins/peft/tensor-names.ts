/**
 * The names of an adapter's tensors: in the run, and in PEFT's files.
 *
 *   of a layer   model.layers.0.mlp.up_proj.lora_A.weight   base_model.model.model.layers.0.mlp.up_proj.lora_A.weight
 *   shared       vera_A                                     base_model.vera_A
 *   of a model   prompt_embeddings                          prompt_embeddings
 */
import type { Parameters, Tensor } from '../../core/mod.ts'
import type { MadeAdapter } from './made-adapter.ts'

/** What PEFT puts before the module path. */
export const PREFIX = 'base_model.model.'
const SHARED_PREFIX = 'base_model.'

export interface NamedTensor {
  readonly name: string
  readonly file: string
  readonly tensor: Tensor
}

/** Layers in the order of the model, then what they share, then what belongs to the whole model. */
export function layerTensors({ adapters, shared, whole }: Omit<MadeAdapter, 'kind'>): NamedTensor[] {
  const all: NamedTensor[] = []
  for (const [path, adapter] of adapters)
    for (const [key, tensor] of Object.entries(adapter.parameters()))
      all.push({ name: `${path}.${key}`, file: `${PREFIX}${path}.${key}`, tensor })
  for (const [name, tensor] of Object.entries(shared?.parameters?.() ?? {}))
    all.push({ name, file: `${SHARED_PREFIX}${name}`, tensor })
  for (const [name, tensor] of Object.entries(whole?.parameters() ?? {}))
    all.push({ name, file: name, tensor })
  return all
}

export function trainedOf(tensors: readonly NamedTensor[]): Parameters {
  return new Map(
    tensors.filter(({ tensor }) => tensor.requiresGrad).map(({ name, tensor }) => [name, tensor]),
  )
}

/** PEFT strips the adapter's name when it saves; older files have it: `lora_A.default.weight`. */
export function withoutAdapterName(name: string): string {
  return name
    .replace(/\.(lora_[AB])\.[^.]+\.(weight|bias)$/, '.$1.$2')
    .replace(/\.(lora_embedding_[AB]|lora_magnitude_vector)\..+$/, '.$1')
}
