/**
 * The tokenizer of a run: the model's, with the special tokens and the chat template that the configuration sets.
 */
import { createHash } from 'node:crypto'
import { type ChatTemplateKeys, ConfigError, type TokenizerLike, TrituneError } from '../../../core/mod.ts'
import {
  CHAT_TEMPLATE_CHOICES,
  type ChatTemplateOptions,
  chatTemplatePlace,
  chatTemplateSource,
  expectTemplateTokens,
  templateName,
} from '../../data/mod.ts'
import {
  changeVocabulary,
  loadTokenizer,
  type NewToken,
  readTokenizerFiles,
  type Tokenizer,
  type VocabularyChanges,
} from '../../tokenizer/mod.ts'
import { atKey, failuresAtKey } from '../config/at-key.ts'
import type { FinetuneConfig } from '../config/config.ts'
import type { SpecialTokens } from '../config/finetune-options.ts'

/** The tokenizer that a run encodes its data with. */
export interface RunTokenizer extends TokenizerLike {
  readonly inner: Tokenizer
  /** The template that the configuration sets, as Jinja; null: the tokenizer's own (`inner.chatTemplates`). */
  readonly chatTemplate: string | null
  /** Tokens that have a meaning for the first time: their rows of the model must be trained. */
  readonly newTokens: readonly NewToken[]
}

type VocabularyConfig = Partial<Pick<FinetuneConfig, 'added_tokens_overrides' | 'tokens'>> & {
  readonly special_tokens: Partial<SpecialTokens>
}

/** What a run's file asks for beyond the tokenizer of the base model. */
export function vocabularyChanges({
  added_tokens_overrides: overrides = {},
  special_tokens: { additional_special_tokens, ...specialTokens },
  tokens = [],
}: VocabularyConfig): VocabularyChanges {
  return { overrides, specialTokens, tokens, moreSpecialTokens: additional_special_tokens ?? [] }
}

/** Throws E_TOKENIZER when there is none, or when its vocabulary cannot be changed as the configuration asks. */
export function openTokenizer(
  modelPath: string,
  config: VocabularyConfig & Pick<FinetuneConfig, 'chat_template' | 'chat_template_jinja'>,
): RunTokenizer {
  const { files, added } = changed(modelPath, config)
  const inner = loadTokenizer(files)
  const template = chatTemplateSource(config, inner.hasChatTemplate) ?? undefined
  const named = templateName(config.chat_template, inner.hasChatTemplate)
  if (named !== null)
    atKey(['chat_template'], () => expectTemplateTokens(named, (text) => inner.idOf(text) !== undefined))
  const chosen = template === undefined ? {} : { template, templatePlace: chatTemplatePlace(config) }
  const special = (key: 'bos_token' | 'eos_token' | 'pad_token', own: number | undefined): number | null => {
    const token = config.special_tokens[key] ?? null
    if (token === null) return own ?? null
    const id = inner.idOf(token)
    if (id === undefined)
      throw new ConfigError([
        {
          path: ['special_tokens', key],
          what: `"${token}" is not in the vocabulary`,
          code: 'E_TOKENIZER',
        },
      ])
    return id
  }
  // The template sees the tokens that the configuration sets.
  const { additional_special_tokens: _more, ...special_tokens } = config.special_tokens
  const variables = Object.fromEntries(Object.entries(special_tokens).filter(([, token]) => token !== null))
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
    withChatTemplate: (own) => openTokenizer(modelPath, { ...config, ...templateOf(own) }),
    recipe: { module: import.meta.url, name: openTokenizer.name, args: [modelPath, recipeConfig(config)] },
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
    newTokens: added,
  }
}

/** The keys of an entry, checked before. */
function templateOf({ chat_template, chat_template_jinja }: ChatTemplateKeys): ChatTemplateOptions {
  const choice = CHAT_TEMPLATE_CHOICES.find((name) => name === chat_template) ?? null
  return { chat_template: chat_template_jinja === null ? choice : 'jinja', chat_template_jinja }
}

/** What of the configuration decides the tokenizer. */
function recipeConfig({
  added_tokens_overrides,
  special_tokens,
  tokens,
  chat_template,
  chat_template_jinja,
}: Parameters<typeof openTokenizer>[1]): object {
  const given = { added_tokens_overrides, tokens, special_tokens, chat_template, chat_template_jinja }
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined))
}

function changed(modelPath: string, config: VocabularyConfig): ReturnType<typeof changeVocabulary> {
  const files = readTokenizerFiles(modelPath)
  try {
    return changeVocabulary(files, vocabularyChanges(config))
  } catch (error) {
    const isAbout =
      error instanceof TrituneError && Object.keys(config.added_tokens_overrides ?? {}).length > 0
    if (!isAbout) throw error
    throw new ConfigError(failuresAtKey(['added_tokens_overrides'], error))
  }
}

/** Throws E_TOKENIZER at the key that asks for a chat template where there is none. */
export function expectChatTemplate(
  { inner, chatTemplate }: RunTokenizer,
  config: Pick<FinetuneConfig, 'chat_template' | 'datasets' | 'test_datasets'>,
): void {
  if (chatTemplate !== null || inner.hasChatTemplate) return
  const asking = (['datasets', 'test_datasets'] as const).flatMap((key) =>
    config[key].flatMap(({ type, chat_template, chat_template_jinja }, i) =>
      (type === 'chat_template' || type === 'sharegpt') &&
      chat_template === null &&
      chat_template_jinja === null
        ? [[key, i, 'type']]
        : [],
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
