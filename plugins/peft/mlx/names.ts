/**
 * The names of mlx-lm's adapters and those of PEFT, in both directions:
 *
 *   model.layers.0.mlp.up_proj.lora_a (in, r)    base_model.model.model.layers.0.mlp.up_proj.lora_A.weight (r, in)
 *   model.layers.0.mlp.up_proj.lora_b (r, out)   base_model.model.model.layers.0.mlp.up_proj.lora_B.weight (out, r)
 *   model.layers.0.mlp.up_proj.m (out)           base_model.model.model.layers.0.mlp.up_proj.lora_magnitude_vector (out)
 */
import { PREFIX } from '../files/tensor-names.ts'

/** The files of a folder that mlx-lm wrote. */
export const MLX_WEIGHTS = 'adapters.safetensors'

/** Part of a LoRA or DoRA: what comes after the module path. */
const PARTS: readonly (readonly [mlx: string, peft: string])[] = [
  ['lora_a', 'lora_A.weight'],
  ['lora_b', 'lora_B.weight'],
  ['m', 'lora_magnitude_vector'],
]

/** A tensor by its name in a file: the module in the Hugging Face model, and which part it is. */
export interface NamedPart {
  readonly path: string
  readonly part: string
}

/** null: it is no part of a LoRA or DoRA. */
export function partOfMlx(name: string): NamedPart | null {
  const found = PARTS.find(([mlx]) => name.endsWith(`.${mlx}`))
  if (!found) return null
  const [mlx, part] = found
  return { path: name.slice(0, -mlx.length - 1).replace(/^model\.(?=h\.\d|wte$|wpe$)/, 'transformer.'), part }
}

/** null: mlx-lm has no such part. */
export function partOfPeft(name: string): NamedPart | null {
  const found = PARTS.find(([, peft]) => name.startsWith(PREFIX) && name.endsWith(`.${peft}`))
  if (!found) return null
  return { path: name.slice(PREFIX.length, -found[1].length - 1), part: found[1] }
}

export function peftName({ path, part }: NamedPart): string {
  return `${PREFIX}${path}.${part}`
}

export function mlxName({ path, part }: NamedPart): string {
  const [mlx] = PARTS.find(([, peft]) => peft === part) ?? ['']
  return `${mlxPath(path)}.${mlx}`
}

/** mlx-lm calls the trunk of GPT-2 `model` too. */
export function mlxPath(path: string): string {
  return path.replace(/^transformer\./, 'model.')
}
