/**
 * Checkpoints that hold a linear layer of all experts of a block in one tensor, (experts, in, out): the model sees the weight (out, in) and the
 * bias (out) of each expert.
 */
import { type Shape, type Tensor, transpose, type WeightSource } from '../../../core/mod.ts'

/** `model.layers.0.mlp.experts.3.down_proj.weight` */
const PART = /^(?<all>.+\.experts)\.(?<index>\d+)\.(?<layer>[^.]+)\.(?<part>weight|bias)$/

/** The tensor of the checkpoint in which a weight or bias of one expert is, and which of them; null: it stands alone. */
export function fusedPart(
  name: string,
): { readonly name: string; readonly index: number; readonly isBias: boolean } | null {
  const groups = PART.exec(name)?.groups
  if (!groups) return null
  const isBias = groups['part'] === 'bias'
  return {
    name: `${groups['all']}.${groups['layer']}${isBias ? '_bias' : ''}`,
    index: Number(groups['index']),
    isBias,
  }
}

/** A source for `count` experts whose tensors are asked for one after the other. Disposing it lets the last one go. */
export function splitExperts(source: WeightSource, count: number): WeightSource & Disposable {
  // Weight and bias of one layer of the experts.
  const whole = new Map<string, Tensor>()
  const free = (): void => {
    for (const tensor of whole.values()) tensor.dispose()
    whole.clear()
  }
  /** (experts, out, in) of weights, (experts, out) of biases. */
  const load = (name: string, isBias: boolean, shape: Shape): Tensor => {
    const held = whole.get(name)
    if (held) return held
    if ([...whole.keys()].some((other) => `${other}_bias` !== name && other !== `${name}_bias`)) free()
    const tensor = isBias
      ? source.load(name, [count, ...shape])
      : turned(source, name, [count, shape[1], shape[0]])
    tensor.adopt(null)
    whole.set(name, tensor)
    return tensor
  }
  const { pack, form, made } = source
  return {
    place: source.place,
    has: (name) => source.has(fusedPart(name)?.name ?? name),
    names: () => source.names(),
    packed: (name, shape) => source.packed?.(name, shape) ?? null,
    load(name, shape, options) {
      const part = fusedPart(name)
      if (!part) return source.load(name, shape, options)
      const size = shape.reduce((a, b) => a * b, 1)
      return load(part.name, part.isBias, shape).window(shape, part.index * size)
    },
    ...(pack && { pack: (path, weight) => pack(path, weight) }),
    ...(form && { form: (path, parts) => form(path, parts) }),
    ...(made && { made: (layer) => made(layer) }),
    [Symbol.dispose]: free,
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function turned(source: WeightSource, name: string, shape: Shape): Tensor {
  using stored = source.load(name, shape, { passing: true })
  return transpose(stored)
}
