/**
 * Models that score texts: `LlamaForSequenceClassification` and its like, with a head `score` in place of the one for tokens.
 */
import {
  createRandom,
  type Device,
  type FloatDType,
  tensor,
  TrituneError,
  type WeightSource,
} from '../../core/mod.ts'
import { type ConfigJson, integerField, numberField } from './_config.ts'

const SUFFIX = 'ForSequenceClassification'
const NAME = 'score.weight'

/** Options of a model that is to score texts. */
export interface ScoreOptions {
  /**
   * How many scores a text gets. A checkpoint that predicts tokens gets a new head, drawn by `seed`; one that scores already keeps its head if it
   * has as many.
   */
  readonly labels?: number
  /** Of a new head. */
  readonly seed?: number
}

/** How many labels the head of such a checkpoint has; null: it predicts tokens. E_MODEL for a count that cannot be. */
export function scoreLabels(config: ConfigJson): number | null {
  const [first]: unknown[] = Array.isArray(config['architectures']) ? config['architectures'] : []
  if (typeof first !== 'string' || !first.endsWith(SUFFIX)) return null
  const names: unknown = config['id2label']
  if (typeof names === 'object' && names !== null) return Object.keys(names).length
  return integerField(config, 'num_labels', 2)
}

/** `LlamaForCausalLM` → `LlamaForSequenceClassification`. */
export function scoringArchitecture(architecture: string): string {
  return architecture.replace(/For(CausalLM|ConditionalGeneration)$/, SUFFIX)
}

/** Config and weights of the same model with so many scores; the same ones where none are asked for. */
export function withScores(
  config: ConfigJson,
  source: WeightSource,
  { labels, seed = 0, device, dtype }: ScoreOptions & { readonly device: Device; readonly dtype: FloatDType },
): readonly [ConfigJson, WeightSource] {
  if (labels === undefined) return [config, source]
  if (!Number.isInteger(labels) || labels < 1)
    throw new TrituneError('E_VALUE', `a text gets a whole number of scores from 1, not ${labels}`)
  const before = scoreLabels(config)
  if (before !== null && before !== labels)
    throw new TrituneError('E_MODEL', `the model scores ${before} labels, ${labels} are asked for`, {
      place: source.place,
      remedy: `set num_labels: ${before}, or start from the model that it was made of`,
    })
  if (before !== null) return [config, source]
  const range = numberField(config, 'initializer_range', 0.02)
  const names = Array.from({ length: labels }, (_, i) => `LABEL_${i}`)
  const { pack, form, made } = source
  return [
    {
      ...config,
      // Whoever builds the model knows its own name.
      architectures: [SUFFIX],
      id2label: Object.fromEntries(names.map((name, i) => [i, name])),
      label2id: Object.fromEntries(names.map((name, i) => [name, i])),
    },
    {
      place: source.place,
      has: (name) => name === NAME || source.has(name),
      names: () => [...source.names(), NAME],
      packed: (name, shape) => (name === NAME ? null : (source.packed?.(name, shape) ?? null)),
      load(name, shape, options) {
        if (name !== NAME) return source.load(name, shape, options)
        const random = createRandom(seed, NAME)
        const values = Float32Array.from({ length: shape[0] * shape[1] }, () => range * random.normal())
        return tensor(values, { shape, dtype, device })
      },
      ...(pack && { pack: (path, weight) => pack(path, weight) }),
      ...(made && { made: (layer) => made(layer) }),
      ...(form && { form: (path, parts) => form(path, parts) }),
    },
  ]
}
