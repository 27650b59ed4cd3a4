/**
 * Single rows of the vocabulary as an adapter of their own (PEFT's TRAINABLE_TOKENS); beside another adapter they are `trainableTokenIndices`.
 *
 *   y[t] = D[k] where ids[t] = index[k], else W[ids[t]];  a head that is tied to the embedding has the same rows
 */
import {
  type Adapter,
  type AdapterContext,
  type BaseLayer,
  createRandom,
  defineOptions,
  flag,
  integer,
  type LayerAdapterDefinition,
  listOf,
  optional,
  siteOf,
  type ValidatableConfig,
} from '../../../core/mod.ts'
import { createTokenRows, takeTokenRows, type TokenRowsAdapter } from '../beside/token-rows.ts'
import { peftFields } from '../delta/fields.ts'
import { DEFAULT_TARGETS } from './targets.ts'

/** PEFT's `TrainableTokensConfig`. */
export interface TrainableTokensOptions {
  /** The tokens whose rows are trained. */
  readonly token_indices: readonly number[]
  /** false: start at random instead of as the rows are, for tests. */
  readonly init_weights: boolean
}

const trainableTokensOptions: ValidatableConfig<TrainableTokensOptions> = defineOptions({
  token_indices: listOf(integer({ min: 0 })),
  init_weights: optional(flag(), true),
})

/** Every model type with default targets has this name for its table, but for gpt2. */
const TABLES = Object.fromEntries(Object.keys(DEFAULT_TARGETS).map((type) => [type, ['embed_tokens']]))

// ---- definition -------------------------------------------------------------------------------------------------

/** Rows of the vocabulary, for plugins and YAML: `adapter: trainable-tokens`. */
export const trainableTokens: LayerAdapterDefinition<TrainableTokensOptions> = {
  name: 'trainable-tokens',
  options: trainableTokensOptions,
  kinds: ['embedding', 'head'],
  targets: { ...TABLES, gpt2: ['wte'] },
  peft: peftFields({
    type: 'TRAINABLE_TOKENS',
    options: trainableTokensOptions,
    names: ['token_indices', 'init_weights'],
    fixed: {},
    lacks: ['exclude_modules', 'layers_to_transform', 'layers_pattern'],
  }),
  create: createTrainableTokens,
  createTied: (layer, first) =>
    isTokenRows(first) ? createTokenRows(layer, first.rows, { ...NAMES, sameAs: first, twice: true }) : null,
}

// ---- layer ------------------------------------------------------------------------------------------------------

function createTrainableTokens(
  layer: BaseLayer,
  { token_indices, init_weights }: TrainableTokensOptions,
  { seed }: AdapterContext,
): Adapter {
  const random = createRandom(seed, siteOf(layer.path))
  const rows = takeTokenRows(layer, token_indices, {
    what: 'token_indices',
    ...(init_weights
      ? {}
      : { random: (count) => Float32Array.from({ length: count }, () => random.normal()) }),
  })
  return createTokenRows(layer, rows, NAMES)
}

// ---- helpers ----------------------------------------------------------------------------------------------------

const NAMES = { kind: 'trainable-tokens', name: 'trainable_tokens_delta' } as const

function isTokenRows(adapter: Adapter): adapter is TokenRowsAdapter {
  return 'rows' in adapter
}
