/**
 * Which files of a repository a model needs: config, tokenizer, and safetensors weights; never pickles, and no second
 * copy of the weights in another format.
 */

import { TrituneError } from '../../core/errors.ts'

export const SINGLE_WEIGHTS = 'model.safetensors'
export const WEIGHTS_INDEX = 'model.safetensors.index.json'

const SMALL: ReadonlySet<string> = new Set([
  'config.json',
  'generation_config.json',
  'tokenizer.json',
  'tekken.json',
  'tokenizer_config.json',
  'special_tokens_map.json',
  'added_tokens.json',
  'tokenizer.model',
  'vocab.json',
  'merges.txt',
  'chat_template.jinja',
  'chat_template.json',
  'adapter_config.json',
])

/** Whether a file at the top of a snapshot is read by anything here. */
export function isNeeded(name: string): boolean {
  return SMALL.has(name) || name === WEIGHTS_INDEX || name.endsWith('.safetensors')
}

/** Config and tokenizer, and the index of sharded weights. */
export function smallFiles(paths: readonly string[]): string[] {
  const index = paths.includes(SINGLE_WEIGHTS) ? [] : [WEIGHTS_INDEX]
  return paths.filter(
    (path) =>
      SMALL.has(path) || index.includes(path) || /^additional_chat_templates\/[^/]+\.jinja$/.test(path),
  )
}

/**
 * The weight files. `readIndex` gives the content of the index, which is downloaded by then.
 * @throws E_HUB when the repository has no usable weights, naming what it has; E_FORMAT for a damaged index
 */
export function weightFiles(paths: readonly string[], what: string, readIndex: () => string): string[] {
  const adapter = paths.filter((path) => path === 'adapter_model.safetensors')
  if (paths.includes(SINGLE_WEIGHTS)) return [SINGLE_WEIGHTS, ...adapter]
  if (paths.includes(WEIGHTS_INDEX)) return [...indexedShards(readIndex(), what), ...adapter]
  if (adapter.length > 0) return adapter
  throw noWeights(paths, what)
}

/** @throws E_HUB when the repository has neither a model nor an adapter to read, naming what it has */
export function checkConfig(paths: readonly string[], what: string): void {
  if (paths.includes('config.json') || paths.includes('adapter_config.json')) return
  if (!paths.some((path) => path.endsWith('.safetensors'))) throw noWeights(paths, what)
  throw new TrituneError('E_HUB', 'the repository has no config.json', {
    place: what,
    remedy: 'choose a repository in the layout of transformers: config.json, tokenizer, model.safetensors',
  })
}

function noWeights(paths: readonly string[], what: string): TrituneError {
  const ggufs = paths.filter((path) => path.endsWith('.gguf'))
  if (ggufs.length > 0) {
    return new TrituneError('E_HUB', 'the repository has GGUF files only', {
      place: what,
      remedy: `name one of them: ${ggufs
        .slice(0, 8)
        .map((path) => `${what.split('@')[0]}/${path}`)
        .join(', ')}`,
    })
  }
  const pickles = paths.some((path) => path.endsWith('.bin') || path.endsWith('.pth'))
  return new TrituneError(
    'E_HUB',
    `the repository has no safetensors weights${pickles ? ', only pickled ones' : ''}`,
    {
      place: what,
      remedy: 'choose another model or revision (the hub often has a conversion under refs/pr/1)',
    },
  )
}

/** The shards that an index names. */
export function indexedShards(index: string, what: string): string[] {
  let map: unknown
  try {
    const value: unknown = JSON.parse(index)
    map = typeof value === 'object' && value !== null && 'weight_map' in value ? value.weight_map : undefined
  } catch (error) {
    throw new TrituneError('E_FORMAT', `${WEIGHTS_INDEX} is not valid JSON`, { place: what, cause: error })
  }
  if (typeof map === 'object' && map !== null) {
    const shards = [...new Set<unknown>(Object.values(map))]
    if (shards.every((shard): shard is string => typeof shard === 'string')) return shards
  }
  throw new TrituneError('E_FORMAT', `${WEIGHTS_INDEX} has no "weight_map" of file names`, { place: what })
}
