/**
 * The tokenizer of a model and an adapter, with a chat template that somebody gave where it shall have another one. Which templates have a
 * name is the business of plugins/data.
 */
import { existsSync } from 'node:fs'
import { didYouMean, TrituneError } from '../../core/mod.ts'
import {
  CHAT_TEMPLATE_CHOICES,
  type ChatTemplateOptions,
  chatTemplateSource,
  checkChatTemplate,
  expectTemplateTokens,
  templateName,
} from '../data/mod.ts'
import { loadTokenizer, type Tokenizer } from '../tokenizer/mod.ts'
import { tokenizerFilesFor } from './tokenizer-files.ts'

/**
 * `chatTemplate` is a name as `chat_template` of a run's file has it (`chatml`), the path of a Jinja file or its text; undefined: as the
 * files have it. Throws E_NAME for what is none of these, E_TOKENIZER for a template that cannot be parsed or is of another family, and what
 * `readTokenizerFiles()` throws.
 */
export function openTokenizerFor(
  modelPath: string,
  adapter: string | undefined,
  chatTemplate: string | undefined,
): Tokenizer {
  const files = tokenizerFilesFor(modelPath, adapter)
  const options = chatTemplate === undefined ? null : optionsOf(chatTemplate)
  const own = loadTokenizer(files)
  if (options === null) return own
  const named = templateName(options.chat_template, own.hasChatTemplate)
  if (named !== null) expectTemplateTokens(named, (text) => own.idOf(text) !== undefined)
  const source = chatTemplateSource(options, own.hasChatTemplate)
  return source === null ? own : loadTokenizer({ ...files, chatTemplates: new Map([['default', source]]) })
}

// ---- helpers ----------------------------------------------------------------------------------------------------

const NAMES = CHAT_TEMPLATE_CHOICES.filter((name) => name !== 'jinja')

function optionsOf(given: string): ChatTemplateOptions {
  const name = NAMES.find((one) => one === given)
  if (name !== undefined) return { chat_template: name, chat_template_jinja: null }
  if (!/[{\n]/.test(given) && !existsSync(given))
    throw new TrituneError('E_NAME', `"${given}" is no chat template and no file`, {
      place: 'chat template',
      remedy: `${didYouMean(given, NAMES)} Or name the file of a Jinja template`,
    })
  const options = { chat_template: 'jinja', chat_template_jinja: given } as const
  checkChatTemplate(options)
  return options
}
