/**
 * The tokenizer of a run: the model's, with the special tokens and the chat template that the configuration sets.
 */
import { createHash } from 'node:crypto'
import { ConfigError, type TokenizerLike } from '../../core/mod.ts'
import { chatTemplatePlace, chatTemplateSource } from '../data/mod.ts'
import { loadTokenizer, readTokenizerFiles, type Tokenizer } from '../tokenizer/mod.ts'
import type { FinetuneConfig } from './config.ts'

/** The tokenizer that a run encodes its data with. */
export interface RunTokenizer extends TokenizerLike {
  readonly inner: Tokenizer
  /** The template that the configuration sets, as Jinja; null: the tokenizer's own (`inner.chatTemplates`). */
  readonly chatTemplate: string | null
}

/** Throws E_TOKENIZER when there is none, or when a special token is not in its vocabulary. */
export function openTokenizer(
  modelPath: string,
  config: Pick<FinetuneConfig, 'special_tokens' | 'chat_template' | 'chat_template_jinja'>,
): RunTokenizer {
  const files = readTokenizerFiles(modelPath)
  const inner = loadTokenizer(files)
  const template = chatTemplateSource(config) ?? undefined
  const chosen = template === undefined ? {} : { template, templatePlace: chatTemplatePlace(config) }
  const special = (key: 'bos_token' | 'eos_token' | 'pad_token', own: number | undefined): number | null => {
    const token = config.special_tokens[key]
    if (token === null) return own ?? null
    const id = inner.idOf(token)
    if (id === undefined)
      throw new ConfigError([
        {
          path: ['special_tokens', key],
          what: `"${token}" is not in the vocabulary`,
          remedy: 'new tokens are not supported yet',
          code: 'E_TOKENIZER',
        },
      ])
    return id
  }
  // The template sees the tokens that the configuration sets.
  const variables = Object.fromEntries(
    Object.entries(config.special_tokens).filter(([, token]) => token !== null),
  )
  const hash = createHash('sha256').update(
    JSON.stringify([
      files.tokenizer,
      files.config,
      [...files.chatTemplates],
      template,
      config.special_tokens,
    ]),
  )
  return {
    inner,
    id: hash.digest('hex'),
    bosId: special('bos_token', inner.bosId),
    eosId: special('eos_token', inner.eosId),
    padId: special('pad_token', inner.padId),
    encode: (text, { addSpecialTokens }) => inner.encode(text, { addSpecialTokens }),
    decode: (ids) => inner.decode(ids),
    tokenOf: (id) => inner.tokenOf(id) ?? `<${id}>`,
    renderChat: (messages, options) => inner.renderChat(messages, { ...options, ...chosen, variables }),
    generationsOf: (messages, options) =>
      inner.renderMarkedChat(messages, { ...options, ...chosen, variables }).generations,
    chatTemplate: template ?? null,
  }
}

/** Throws E_TOKENIZER at the key that asks for a chat template where there is none. */
export function expectChatTemplate(
  { inner, chatTemplate }: RunTokenizer,
  config: Pick<FinetuneConfig, 'chat_template' | 'datasets' | 'test_datasets'>,
): void {
  if (chatTemplate !== null || inner.hasChatTemplate) return
  const asking = (['datasets', 'test_datasets'] as const).flatMap((key) =>
    config[key].flatMap(({ type }, i) =>
      type === 'chat_template' || type === 'sharegpt' ? [[key, i, 'type']] : [],
    ),
  )
  const [first] = asking
  if (first === undefined) return
  throw new ConfigError([
    {
      path: config.chat_template === null ? first : ['chat_template'],
      what: 'the base model has no chat template',
      remedy: 'set chat_template: chatml, or chat_template_jinja: the file of a template',
      code: 'E_TOKENIZER',
    },
  ])
}
