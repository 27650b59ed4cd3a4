/**
 * The names of an adapter's tensors: in the run, and in PEFT's files.
 *
 *   of a layer   model.layers.0.mlp.up_proj.lora_A.weight   base_model.model.model.layers.0.mlp.up_proj.lora_A.weight
 *   shared       vera_A                                     base_model.vera_A
 *   of a model   prompt_embeddings                          prompt_embeddings
 */
import { type Parameters, type Tensor, TrituneError } from '../../../core/mod.ts'
import type { MadeAdapter } from '../attach/made-adapter.ts'

/** What PEFT puts before the module path. */
export const PREFIX = 'base_model.model.'
export const SHARED_PREFIX = 'base_model.'

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

/** What is trained: of the tensors of the file, and of an encoder that makes them. */
export function trainedOf(
  tensors: readonly NamedTensor[],
  { whole }: Pick<MadeAdapter, 'whole'>,
): Parameters {
  const encoder = Object.entries(whole?.encoder?.() ?? {}).map(([name, tensor]) => ({ name, tensor }))
  // Tied layers can have one tensor in common, which the file has twice.
  const all = [...tensors, ...encoder].filter(({ tensor }) => tensor.requiresGrad)
  const first = all.filter(({ tensor }, i) => all.findIndex((one) => one.tensor === tensor) === i)
  return new Map(first.map(({ name, tensor }) => [name, tensor]))
}

/**
 * The tensors of a file by their plain names. Beside a vocabulary that was resized PEFT saves a module of modules_to_save three times: as it is
 * loaded again, under its place in torch's module, and as it was before; the first one counts. E_ADAPTER when two others have one name.
 */
export function plainNames<T>(entries: ReadonlyMap<string, T>, place: string): Map<string, T> {
  const named = new Map<string, T>()
  const before = new Map<string, string>()
  for (const [name, entry] of entries) {
    const plain = withoutAdapterName(name)
    const other = before.get(plain)
    if (other !== undefined)
      throw new TrituneError('E_ADAPTER', `the tensors "${other}" and "${name}" have one place`, {
        place,
        remedy: 'the file is of two adapters, or damaged: save the adapter again',
      })
    before.set(plain, name)
    named.set(plain, entry)
  }
  const copy = /\.(modules_to_save(\.[^.]+)?|original_module)(?=\.(weight|bias)$)/
  return new Map([...named].filter(([name]) => !(copy.test(name) && named.has(name.replace(copy, '')))))
}

/** PEFT strips the adapter's name when it saves; older files have it: `lora_A.default.weight`. */
function withoutAdapterName(name: string): string {
  return name
    .replace(/\.(lora_[AB])\.[^.]+\.(weight|bias)$/, '.$1.$2')
    .replace(/\.(lora_embedding_[AB]|lora_magnitude_vector)(?:\.default)?(?:\.weight)?$/, '.$1')
}
