/**
 * Which chat template a configuration asks for: the tokenizer's own, one of the names known here, or one given as Jinja.
 * Rendering is the tokenizer's business.
 */
import { existsSync } from 'node:fs'
import { TrituneError } from '../../../core/errors.ts'
import { readTextFile } from '../../../core/files/text-file.ts'
import { compileTemplate } from '../../jinja/mod.ts'
import {
  CHAT_TEMPLATE_NAMES,
  type ChatTemplateName,
  chatTemplateNamed,
  isTemplateName,
} from '../templates/chat-templates.ts'

const FALLBACK = 'tokenizer_default_fallback_'

/** What `chat_template` may be: the tokenizer's own, a text of one's own, a template by name, or that where the tokenizer has none. */
export type ChatTemplateChoice =
  | 'tokenizer_default'
  | 'jinja'
  | ChatTemplateName
  | `tokenizer_default_fallback_${ChatTemplateName}`

/** All of them. */
export const CHAT_TEMPLATE_CHOICES: readonly ChatTemplateChoice[] = [
  'tokenizer_default',
  'jinja',
  ...CHAT_TEMPLATE_NAMES,
  ...CHAT_TEMPLATE_NAMES.map((name): ChatTemplateChoice => `${FALLBACK}${name}`),
]

/** The keys of a run's file that choose a chat template; null: not set. */
export interface ChatTemplateOptions {
  readonly chat_template: ChatTemplateChoice | null
  readonly chat_template_jinja: string | null
}

/**
 * Throws E_FILE for what can only be the path of a file that is not there, and E_TOKENIZER for a template that cannot be parsed,
 * whatever the data: it is kept beside the trained weights.
 */
export function checkChatTemplate(options: ChatTemplateOptions): void {
  const { chat_template_jinja: source } = options
  if (source === null) return
  if (isText(source) || existsSync(source)) return expectParsed(options, source)
  throw new TrituneError('E_FILE', `there is no file "${source}", and a template would have a { in it`, {
    remedy: 'write the path of a file, or the template itself',
  })
}

/** Jinja text that replaces the tokenizer's template, or null to keep that. `hasOwn`: whether there is one to keep. */
export function chatTemplateSource(
  { chat_template, chat_template_jinja }: ChatTemplateOptions,
  hasOwn: boolean,
): string | null {
  if (chat_template_jinja !== null) {
    const isPath = !isText(chat_template_jinja) && existsSync(chat_template_jinja)
    return isPath ? readTextFile(chat_template_jinja, TEMPLATE_FILE) : chat_template_jinja
  }
  const name = templateName(chat_template, hasOwn)
  return name === null ? null : chatTemplateNamed(name)
}

/** The named template that is taken; null: none is. */
export function templateName(choice: ChatTemplateChoice | null, hasOwn: boolean): ChatTemplateName | null {
  if (choice === null) return null
  const name = choice.startsWith(FALLBACK) ? (hasOwn ? '' : choice.slice(FALLBACK.length)) : choice
  return isTemplateName(name) ? name : null
}

/** What errors of that text name: the file, or the key that holds it. */
export function chatTemplatePlace({ chat_template_jinja: source }: ChatTemplateOptions): string {
  if (source === null) return 'chat_template'
  return isText(source) ? 'chat_template_jinja' : source
}

// ---- helpers ----------------------------------------------------------------------------------------------------

const TEMPLATE_FILE = {
  what: 'the chat template',
  remedy: 'write the path of a text file, or the template itself',
}

function isText(source: string): boolean {
  return /[{\n]/.test(source)
}

function expectParsed(options: ChatTemplateOptions, source: string): void {
  const text = chatTemplateSource(options, false) ?? ''
  try {
    compileTemplate(text)
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    const where = isText(source) ? '' : `${source}: `
    throw new TrituneError('E_TOKENIZER', `${where}the chat template cannot be parsed: ${reason}`, {
      remedy: 'mend the template',
      cause,
    })
  }
}
