/**
 * Prompt tuning (Lester et al. 2021, arXiv 2104.08691): trained vectors stand before every document as if they were embeddings of its first tokens.
 *
 * It changes no weight, so it cannot be merged.
 */
import {
  type AdapterContext,
  cast,
  createRandom,
  defineConfig,
  embedding,
  isQuantized,
  mapOf,
  type ModelAdapter,
  type ModelAdapterDefinition,
  type ModelShape,
  noGrad,
  nullable,
  oneOf,
  optional,
  parameter,
  type PeftTarget,
  scoped,
  tensor,
  type Tensor,
  text,
  TrituneError,
  type ValidatableConfig,
} from '../../../core/mod.ts'
import * as v from 'valibot'
import { plainTensor } from '../virtual/encoded.ts'
import { normalLeaf } from '../virtual/leaves.ts'
import {
  expectShapes,
  SHAPE_FIELDS,
  shapeFields,
  shapesFor,
  shapesFromFile,
  shapesToWrite,
  type VirtualTokenOptions,
} from '../virtual/shape-options.ts'

/** PEFT's `PromptTuningConfig`. */
export interface PromptOptions extends VirtualTokenOptions {
  /** Start from: random numbers; the embeddings of a text, repeated or cut; those of random tokens. */
  readonly prompt_tuning_init: 'RANDOM' | 'TEXT' | 'SAMPLE_VOCAB'
  readonly prompt_tuning_init_text: string | null
  /** Whose tokens the text was cut into: PEFT wants to know it. */
  readonly tokenizer_name_or_path: string | null
  readonly tokenizer_kwargs: Readonly<Record<string, unknown>> | null
}

const promptOptions: ValidatableConfig<PromptOptions> = defineConfig(
  v.strictObject(
    {
      ...shapeFields,
      prompt_tuning_init: optional(oneOf(['RANDOM', 'TEXT', 'SAMPLE_VOCAB']), 'RANDOM'),
      prompt_tuning_init_text: nullable(text()),
      tokenizer_name_or_path: nullable(text()),
      tokenizer_kwargs: nullable(mapOf(v.unknown())),
    },
    'expected a mapping',
  ),
  [
    ({ prompt_tuning_init, prompt_tuning_init_text, tokenizer_name_or_path }) => {
      if (prompt_tuning_init !== 'TEXT') return []
      const missing = { prompt_tuning_init_text, tokenizer_name_or_path }
      return Object.entries(missing).flatMap(([key, value]) =>
        value === null
          ? [
              {
                path: [key],
                what: 'prompt_tuning_init: TEXT needs it',
                remedy: `for example ${key}: ${key === 'prompt_tuning_init_text' ? 'Answer briefly.' : 'HuggingFaceTB/SmolLM2-135M'}`,
              },
            ]
          : [],
      )
    },
  ],
)

const FIELDS = [
  ...SHAPE_FIELDS,
  'prompt_tuning_init',
  'prompt_tuning_init_text',
  'tokenizer_kwargs',
  'tokenizer_name_or_path',
]

// ---- definition -------------------------------------------------------------------------------------------------

/** Prompt tuning, for plugins and YAML: `adapter: prompt`. */
export const prompt: ModelAdapterDefinition<PromptOptions> = {
  name: 'prompt',
  options: promptOptions,
  createForModel: createPrompt,
  peft: { type: 'PROMPT_TUNING', fields: FIELDS, write: fieldsOf, read: optionsOf },
}

// ---- layer ------------------------------------------------------------------------------------------------------

function createPrompt(model: ModelShape, options: PromptOptions, context: AdapterContext): ModelAdapter {
  const { num_virtual_tokens: length } = options
  const { device } = model.embedding
  expectShapes('prompt', options, { token_dim: model.info.hiddenSize })
  const ids = context.restoring ? null : initialIds(model, options, context)
  const vectors = ids
    ? embeddingsOf(model, ids)
    : normalLeaf(createRandom(context.seed, 'prompt'), [length, model.info.hiddenSize], device)
  return { kind: 'prompt', length, virtualTokens: () => vectors, ...plainTensor(vectors) }
}

// ---- format -----------------------------------------------------------------------------------------------------

function fieldsOf(options: PromptOptions, { info }: PeftTarget): Record<string, unknown> {
  return {
    ...shapesToWrite(options, shapesFor(info, 'tokens')),
    prompt_tuning_init: options.prompt_tuning_init,
    prompt_tuning_init_text: options.prompt_tuning_init_text,
    tokenizer_kwargs: options.tokenizer_kwargs,
    tokenizer_name_or_path: options.tokenizer_name_or_path,
  }
}

/** Where the vectors started is no matter once they are in a file. */
function optionsOf(fields: Readonly<Record<string, unknown>>): PromptOptions {
  return promptOptions.validate(shapesFromFile(fields))
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** Tokens whose embeddings the vectors start from; null: random numbers. */
function initialIds(
  { info, embedding: { inputs } }: ModelShape,
  options: PromptOptions,
  { seed, encode }: AdapterContext,
): number[] | null {
  const { num_virtual_tokens: length, prompt_tuning_init: init, prompt_tuning_init_text: words } = options
  if (init === 'RANDOM') return null
  if (init === 'SAMPLE_VOCAB') {
    const random = createRandom(seed, 'prompt')
    return Array.from({ length }, () => random.int(info.vocabSize))
  }
  if (!encode)
    throw new TrituneError('E_ADAPTER', 'prompt_tuning_init: TEXT needs a tokenizer', {
      remedy: 'give it to attachAdapter: { encode: (text) => tokenizer.encode(text) }',
    })
  const ids = encode(words ?? '')
  const beyond = ids.find((id) => id >= inputs)
  if (ids.length === 0 || beyond !== undefined)
    throw new TrituneError(
      'E_ADAPTER',
      ids.length === 0
        ? 'prompt_tuning_init_text has no tokens'
        : `prompt_tuning_init_text: token id ${beyond} is not one of the model, which knows 0 to ${inputs - 1}`,
      {
        remedy: "give words of the model's own tokenizer, or prompt_tuning_init: RANDOM",
      },
    )
  return Array.from({ length }, (_, i) => ids[i % ids.length])
}

function embeddingsOf({ embedding: layer }: ModelShape, ids: readonly number[]): Tensor {
  const { weight, device, path } = layer
  if (isQuantized(weight)) throw new TrituneError('E_UNSUPPORTED', `${path}: an embedding has no packed form`)
  const rows = noGrad(() =>
    scoped(() => cast(embedding(weight, tensor(ids, { dtype: 'i32', device })), 'f32')),
  )
  rows.adopt(null)
  return parameter(rows)
}
