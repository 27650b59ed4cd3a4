/**
 * my-model: a Llama whose logits are scaled by `logit_scale` of config.json, as in Cohere's models.
 *
 * The head is linear, so scaling what goes into it scales the logits. Layers, weights and files are those of Llama, so that every adapter fits.
 */
import {
  affine,
  definePlugin,
  type Model,
  type ModelDefinition,
  type Plugin,
  TrituneError,
} from 'tritune/core'
import { MODELS } from 'tritune/plugins/models'

export const myModel: ModelDefinition = {
  /** `model_type` of config.json. */
  name: 'my-model',
  create(config, weights) {
    const scale = config['logit_scale'] ?? 1
    if (typeof scale !== 'number' || !(scale > 0))
      throw new TrituneError(
        'E_MODEL',
        `logit_scale: expected a number above 0, got ${JSON.stringify(scale)}`,
        {
          place: weights.place,
        },
      )
    return scaled(MODELS.llama.create(config, weights), scale)
  },
}

export const plugin: Plugin = definePlugin({
  name: 'my-model',
  provides: { model: { 'my-model': myModel } },
})

function scaled(llama: Model, scale: number): Model {
  return {
    ...llama,
    info: { ...llama.info, type: 'my-model', architecture: 'MyModelForCausalLM' },
    hidden: (batch, options) => affine(llama.hidden(batch, options), { scale }),
    get probe() {
      return llama.probe
    },
    set probe(probe) {
      llama.probe = probe
    },
  }
}
