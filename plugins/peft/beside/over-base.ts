/**
 * An adapter on a layer whose own weight or bias is another one: a trained bias (PEFT's `bias: all` and `lora_only`), an embedding that came with the
 * adapter because its vocabulary had grown.
 */
import {
  type Adapter,
  add,
  baseForward,
  type BaseLayer,
  cast,
  empty,
  type FloatDType,
  isQuantized,
  noGrad,
  parameter,
  scoped,
  sub,
  type Tensor,
  TrituneError,
} from '../../../core/mod.ts'
import { copyElements } from '../../../core/tensor/tensor-bytes.ts'

/** f32 tensors that stand in the place of those of the layer, with their names in the file. */
export interface OwnBase {
  readonly weight?: Tensor
  readonly bias?: Tensor
  readonly names: Readonly<Record<string, Tensor>>
}

/** A trained f32 copy of the bias of a layer; null: it has none. */
export function takeBias({ bias }: BaseLayer): Tensor | null {
  if (!bias) return null
  using wide = noGrad(() => scoped(() => cast(bias, 'f32')))
  const copy = copyOf(wide)
  copy.adopt(null)
  return parameter(copy)
}

/** The bias of a layer that has no other adapter. */
export function createOwnBias(own: Tensor): Adapter {
  return {
    kind: 'bias',
    forward: (x, base) => baseForward({ ...base, bias: cast(own, x.dtype as FloatDType) }, x),
    replacement({ weight, path }) {
      if (isQuantized(weight))
        throw new TrituneError('E_UNSUPPORTED', `${path}: a packed weight is no replacement`)
      return { weight, bias: cast(own, weight.dtype) }
    },
    parameters: () => ({ bias: own }),
    merge: (weight) => copyOf(weight),
    mergeBias: (bias) => fresh(own, bias.dtype as FloatDType),
    [Symbol.dispose]: () => own.dispose(),
  }
}

/** `adapter` with these under it; all are freed with it. */
export function overBase(adapter: Adapter, own: OwnBase): Adapter {
  const { delta, merge, unmerge, mergeBias, replacement, stored } = adapter
  const changed = (base: BaseLayer): BaseLayer => {
    const dtype = isQuantized(base.weight) ? null : (base.weight.dtype as FloatDType)
    return {
      ...base,
      ...(own.weight && { weight: cast(own.weight, dtype ?? 'f32') }),
      ...(own.bias && base.bias && { bias: cast(own.bias, base.bias.dtype) }),
    }
  }
  return {
    ...adapter,
    forward: (x, base) => adapter.forward(x, changed(base)),
    ...(replacement && { replacement: (base) => replacement.call(adapter, changed(base)) }),
    delta(x, base) {
      const now = changed(base)
      if (own.weight || !delta) return sub(adapter.forward(x, now), baseForward(base, x))
      const change = delta.call(adapter, x, now)
      return now.bias && base.bias ? add(change, sub(now.bias, base.bias)) : change
    },
    parameters: () => ({ ...adapter.parameters(), ...own.names }),
    // Another handle on the same memory: what fills it fills the tensor.
    ...(stored && {
      stored: {
        make: () => ({ ...stored.make(), ...views(own.names) }),
        take: (tensors) => stored.take(tensors),
      },
    }),
    ...(merge && {
      merge: (weight) =>
        merge.call(adapter, own.weight ? fresh(own.weight, weight.dtype as FloatDType) : weight),
    }),
    ...(unmerge && !own.weight && { unmerge: (weight) => unmerge.call(adapter, weight) }),
    mergeBias(bias) {
      const mine = own.bias ? fresh(own.bias, bias.dtype as FloatDType) : bias
      return mergeBias ? mergeBias.call(adapter, mine) : mine
    },
    [Symbol.dispose]() {
      adapter[Symbol.dispose]()
      own.weight?.dispose()
      own.bias?.dispose()
    },
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function views(tensors: Readonly<Record<string, Tensor>>): Record<string, Tensor> {
  return Object.fromEntries(
    Object.entries(tensors).map(([name, tensor]) => {
      const view = tensor.view()
      view.adopt(null)
      return [name, view]
    }),
  )
}

function fresh(own: Tensor, dtype: FloatDType): Tensor {
  return noGrad(() => {
    using made = scoped(() => cast(own, dtype))
    return copyOf(made)
  })
}

function copyOf(x: Tensor): Tensor {
  const copy = empty(x.shape, { dtype: x.dtype, device: x.device })
  copyElements(copy, x)
  return copy
}
