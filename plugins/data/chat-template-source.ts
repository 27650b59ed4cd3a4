/**
 * Which chat template a configuration asks for: the tokenizer's own, one of the names known here, or one given as Jinja.
 * Rendering is the tokenizer's business.
 */
import { existsSync, readFileSync } from 'node:fs'
import { TrituneError } from '../../core/errors.ts'

/** ChatML (https://github.com/openai/openai-python/blob/release-v0.28.0/chatml.md), without a default system message. */
export const CHATML: string =
  "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + " +
  "'\\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"

export interface ChatTemplateOptions {
  readonly chat_template: 'tokenizer_default' | 'jinja' | 'chatml' | null
  readonly chat_template_jinja: string | null
}

/** Throws E_FILE for what can only be the path of a file that is not there. */
export function checkChatTemplate({ chat_template_jinja: source }: ChatTemplateOptions): void {
  if (source === null || /[{\n]/.test(source) || existsSync(source)) return
  throw new TrituneError('E_FILE', `there is no file "${source}", and a template would have a { in it`, {
    remedy: 'write the path of a file, or the template itself',
  })
}

/** Jinja text that replaces the tokenizer's template, or null to keep that. */
export function chatTemplateSource({
  chat_template,
  chat_template_jinja,
}: ChatTemplateOptions): string | null {
  if (chat_template_jinja !== null) {
    const isPath = !/[{\n]/.test(chat_template_jinja) && existsSync(chat_template_jinja)
    return isPath ? readFileSync(chat_template_jinja, 'utf8') : chat_template_jinja
  }
  return chat_template === 'chatml' ? CHATML : null
}
