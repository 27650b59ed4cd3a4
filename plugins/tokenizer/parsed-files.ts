/**
 * The files of a tokenizer after they were parsed, wherever they came from. What the values mean is decided in create-tokenizer.ts.
 */
import { TrituneError } from '../../core/errors.ts'

export type Json = Readonly<Record<string, unknown>>

/** The content of the files that make a tokenizer. */
export interface TokenizerFiles {
  /** For error messages. */
  readonly place: string
  /** The content of tokenizer.json. */
  readonly tokenizer: Json
  /** The content of tokenizer_config.json, with the values of special_tokens_map.json where it has none. */
  readonly config: Json
  /** Chat templates by name; the usual one is `default`. */
  readonly chatTemplates: ReadonlyMap<string, string>
  /** Tokens that end generation, beside the end-of-sequence token. */
  readonly stopIds: readonly number[]
}

/** The files of a tokenizer, parsed; what is not there has no effect. */
export interface ParsedTokenizer {
  /** For error messages. */
  readonly place: string
  /** The contents of tokenizer.json, tokenizer_config.json and generation_config.json. */
  readonly tokenizer: Json
  readonly config?: Json
  readonly generation?: Json
}

/** From files that somebody else has read and parsed: a page. Throws E_FORMAT for values that are malformed. */
export function tokenizerFilesOf({
  place,
  tokenizer,
  config = {},
  generation = {},
}: ParsedTokenizer): TokenizerFiles {
  return {
    place,
    tokenizer,
    config,
    chatTemplates: templatesOf(place, config['chat_template']),
    stopIds: tokenIds(place, generation['eos_token_id']),
  }
}

/** `chat_template` is one template, or a list of named ones. */
export function templatesOf(place: string, value: unknown): Map<string, string> {
  if (value === undefined || value === null) return new Map()
  if (typeof value === 'string') return new Map([['default', value]])
  const templates = new Map<string, string>()
  for (const item of Array.isArray(value) ? value : [value]) {
    if (!isJson(item) || typeof item['name'] !== 'string' || typeof item['template'] !== 'string') {
      throw new TrituneError(
        'E_FORMAT',
        'chat_template is neither a string nor a list of { name, template }',
        { place },
      )
    }
    templates.set(item['name'], item['template'])
  }
  return templates
}

export function tokenIds(place: string, value: unknown): number[] {
  if (value === undefined || value === null) return []
  const ids: unknown[] = Array.isArray(value) ? value : [value]
  if (ids.every((id): id is number => Number.isInteger(id))) return ids
  throw new TrituneError('E_FORMAT', `eos_token_id is ${JSON.stringify(value)}`, { place })
}

export function isJson(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
