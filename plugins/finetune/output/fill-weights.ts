/**
 * Weights of a model out of its own files, where layers lie there otherwise than here: turned (gpt2), or several in one tensor (gpt_oss).
 */
import {
  empty,
  type FloatDType,
  type Layer,
  type Model,
  noGrad,
  type Parameters,
  scoped,
  type Shape,
  type Tensor,
  transpose,
} from '../../../core/mod.ts'
import { copyElements } from '../../../core/tensor/tensor-bytes.ts'

/** Has `fill` put a file into the trained weights, by the names and shapes that it has there. */
export function fillWeights(
  { layers }: Pick<Model, 'layers'>,
  parameters: Parameters,
  fill: (tensors: Parameters) => void,
): void {
  const others = [...layers.values()].filter(({ transposed, fused }) => transposed || fused)
  const turned = new Set(
    others.flatMap(({ path, fused }) => [`${path}.weight`, ...(fused ? [`${path}.bias`] : [])]),
  )
  fill(new Map([...parameters].filter(([name]) => !turned.has(name))))
  for (const layer of others) {
    const weight = parameters.get(`${layer.path}.weight`)
    if (weight && !layer.fused)
      viaFile(`${layer.path}.weight`, [layer.inputs, layer.outputs], weight, fill, (stored) =>
        copyElements(weight, transpose(stored)),
      )
  }
  for (const [name, parts] of Map.groupBy(others, ({ fused }) => fused?.name)) {
    if (name === undefined) continue
    const [{ inputs, outputs, path }] = parts
    fillParts(name, parts, 'weight', [parts.length, inputs, outputs])
    if (parameters.has(`${path}.bias`)) fillParts(`${name}_bias`, parts, 'bias', [parts.length, outputs])
  }

  function fillParts(name: string, parts: readonly Layer[], part: 'weight' | 'bias', shape: Shape): void {
    const first = parameters.get(`${parts[0].path}.${part}`)
    if (!first) return
    viaFile(name, shape, first, fill, (stored) => {
      for (const { path, fused } of parts) {
        const target = parameters.get(`${path}.${part}`)
        if (!target || !fused) continue
        const own = stored.window(shape.slice(1), fused.index * target.size)
        copyElements(target, part === 'weight' ? transpose(own) : own)
      }
    })
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function viaFile(
  name: string,
  shape: Shape,
  { dtype, device }: Tensor,
  fill: (tensors: Parameters) => void,
  take: (stored: Tensor) => void,
): void {
  using stored = empty(shape, { dtype: dtype as FloatDType, device })
  fill(new Map([[name, stored]]))
  noGrad(() =>
    scoped(() => {
      take(stored)
      return []
    }),
  )
}
