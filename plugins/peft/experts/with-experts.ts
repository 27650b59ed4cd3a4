/**
 * LoRA on layers, and on weights of all experts of a block beside them: `target_parameters: [mlp.experts.gate_up_proj]` of PEFT.
 *
 * PEFT puts the LoRAs of one module into each other, so of the parameters of a module that have one the last has the plain name in the file, the one
 * before it stands under `base_layer`.
 */
import {
  type Adapter,
  type ExpertParameter,
  type LayerAdapterDefinition,
  type Model,
  type SharedAdapterDefinition,
  type Tensor,
} from '../../../core/mod.ts'
import type { LoraOptions } from '../lora/lora-options.ts'
import { type ExpertLora, expertLora } from './expert-lora.ts'

/** The weights of experts that have one of these names, in the order of the model. */
export function matchExperts(
  { expertParameters }: Pick<Model, 'expertParameters'>,
  names: readonly string[],
): readonly ExpertParameter[] {
  return [...(expertParameters?.values() ?? [])].filter(({ name }) =>
    names.some((wanted) => name === wanted || name.endsWith(`.${wanted}`)),
  )
}

/** Paths of the layers that are parts of these weights. */
export function partsOf(parameters: readonly ExpertParameter[]): string[] {
  return parameters.flatMap(({ experts }) => experts.flat().map(({ path }) => path))
}

/** Names of the two factors of each, as `SharedAdapter.parameters` has them: in the file `base_model.` stands before. */
export function factorNames(
  parameters: readonly ExpertParameter[],
): readonly { readonly a: string; readonly b: string }[] {
  const modules = parameters.map(({ name }) => name.slice(0, name.lastIndexOf('.')))
  return modules.map((module, i) => {
    const inside = modules.slice(i + 1).filter((other) => other === module).length
    const path = `model.${module}.${'base_layer.'.repeat(inside)}`
    return { a: `${path}lora_A.weight`, b: `${path}lora_B.weight` }
  })
}

/** The definition of all layers at once. `optionsFor` gives each layer and each weight of experts its rank and alpha. */
export function withExperts(
  definition: LayerAdapterDefinition<LoraOptions>,
  parameters: readonly ExpertParameter[],
  optionsFor: (path: string, options: LoraOptions) => LoraOptions,
): SharedAdapterDefinition<LoraOptions> {
  const { name, options, kinds, peft } = definition
  const names = factorNames(parameters)
  return {
    name,
    options,
    kinds,
    peft,
    createShared(layers, shared, context) {
      const loras: ExpertLora[] = []
      const made: Adapter[] = []
      const free = (): void => {
        for (const lora of loras) lora[Symbol.dispose]()
      }
      try {
        for (const parameter of parameters)
          loras.push(expertLora(parameter, optionsFor(parameter.name, shared), context))
        const parts = new Map(loras.flatMap((lora) => [...lora.parts]))
        for (const layer of layers)
          made.push(
            parts.get(layer.path) ?? definition.create(layer, optionsFor(layer.path, shared), context),
          )
        return {
          adapters: made,
          parameters: (): Readonly<Record<string, Tensor>> =>
            Object.fromEntries(
              loras.flatMap(({ a, b }, i) => [
                [names[i].a, a],
                [names[i].b, b],
              ]),
            ),
          [Symbol.dispose]: free,
        }
      } catch (error) {
        for (const adapter of made) adapter[Symbol.dispose]()
        free()
        throw error
      }
    },
  }
}
