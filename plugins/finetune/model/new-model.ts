/**
 * Runs that train a model from the start, as a file asks for them: `preset`, `base_model_config` or `reinit_weights`; and what does not go together then.
 *
 * Where the shape and the tokenizer come from is in `new-model-files.ts`.
 */
import * as v from 'valibot'
import { integer, optional } from '../../../core/contracts/config-fields.ts'
import type { Field } from '../../../core/contracts/config-fields.ts'
import type { ConfigFailure, ConfigPath } from '../../../core/contracts/config.ts'
import type { Nullable } from '../config/input-forms.ts'
import type { FinetuneFields, FinetuneOptions, TrainTokenizer } from '../config/finetune-options.ts'
import { isEmpty, type Mapping } from '../config/old-spellings.ts'

/** The tokenizer that is made of the data. */
export const trainTokenizer: Field<TrainTokenizer, Nullable<TrainTokenizer>> = v.strictObject(
  {
    vocab_size: optional(integer({ min: 258 }), 4096),
    min_frequency: optional(integer({ min: 1 }), 2),
  },
  'expected a mapping such as { vocab_size: 4096 }',
)

/** The tokenizer of single bytes, as `tokenizer_config` names it. */
export const BYTES = 'bytes'

type Names = Pick<FinetuneOptions, 'base_model' | 'base_model_config' | 'preset'>

/** The key that says which shape the model has: for errors about it. */
export function shapeKey({ base_model_config, preset }: Names): ConfigPath {
  return [preset !== null ? 'preset' : base_model_config !== null ? 'base_model_config' : 'base_model']
}

/** What has a tokenizer beside the shape of the model; null: nothing. */
export function ownTokenizer({ base_model, base_model_config, preset }: Names): string | null {
  if (preset !== null) return null
  return base_model === base_model_config && base_model.endsWith('.json') ? null : base_model
}

/** Without `base_model` a new model goes by the name of its preset, or of the file with its shape, and has no weights to start from. */
export function withName(input: Mapping): Mapping {
  const name = isEmpty(input['preset']) ? input['base_model_config'] : input['preset']
  if (!isEmpty(input['base_model']) || typeof name !== 'string' || name === '') return input
  return { ...input, base_model: name, reinit_weights: input['reinit_weights'] ?? true }
}

/** For `finetuneRules`. */
export function newModelFailures(input: FinetuneFields): readonly ConfigFailure[] {
  if (!input.reinit_weights) return onlyForNew(input)
  const shape = shapeFailure(input)
  return [...(shape ? [shape] : []), ...tokenizerFailures(input), ...wholeFailures(input)]
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** Keys of new models in a file whose model has weights. */
function onlyForNew(input: FinetuneFields): ConfigFailure[] {
  const { base_model, base_model_config, tokenizer_config } = input
  const asked: readonly (readonly [keyof FinetuneFields, boolean])[] = [
    ['preset', input.preset !== null],
    ['base_model_config', base_model_config !== null && base_model_config !== base_model],
    ['tokenizer_config', tokenizer_config !== null && tokenizer_config !== base_model],
    ['train_tokenizer', input.train_tokenizer !== null],
  ]
  const first = asked.find(([, isAsked]) => isAsked)
  if (first === undefined) return []
  const remedy = 'set reinit_weights: true, or leave it out: the weights of base_model go with its own files'
  return [{ path: [first[0]], what: 'is for a model with new weights', remedy, code: 'E_CONFIG_KEY' }]
}

function shapeFailure({ base_model, base_model_config, preset }: FinetuneFields): ConfigFailure | undefined {
  if (preset === null) return undefined
  if (base_model_config !== null)
    return { path: ['base_model_config'], what: 'give either preset or base_model_config, not both' }
  if (base_model !== preset) return { path: ['preset'], what: 'give either base_model or preset, not both' }
  return undefined
}

function tokenizerFailures(input: FinetuneFields): ConfigFailure[] {
  const { tokenizer_config, train_tokenizer } = input
  if (tokenizer_config !== null && train_tokenizer !== null)
    return [{ path: ['train_tokenizer'], what: 'give either tokenizer_config or train_tokenizer, not both' }]
  if (tokenizer_config !== null || train_tokenizer !== null || ownTokenizer(input) !== null) return []
  return [
    {
      path: ['tokenizer_config'],
      what: 'a model with new weights needs a tokenizer',
      remedy: `set tokenizer_config: ${BYTES}, or the folder of a tokenizer, or train_tokenizer: { vocab_size: 4096 }`,
    },
  ]
}

/** New weights are noise: there is nothing to adapt. What quantizers can train them tells the quantizer. */
function wholeFailures(input: FinetuneFields): ConfigFailure[] {
  const what = 'new weights are trained whole'
  const asked: readonly (readonly [keyof FinetuneFields, boolean])[] = [
    ['adapter', input.adapter !== null && input.adapter !== 'none'],
    ['load_in_4bit', input.load_in_4bit],
    ['load_in_8bit', input.load_in_8bit],
  ]
  return asked.flatMap(([key, isAsked]) =>
    isAsked
      ? [{ path: [key], what, remedy: `leave ${key} out, or reinit_weights, preset and base_model_config` }]
      : [],
  )
}
