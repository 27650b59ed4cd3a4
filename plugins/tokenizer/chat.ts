/**
 * Chat templates: messages to the text that the model was trained on. The template language is Jinja as transformers
 * runs it (trim_blocks, lstrip_blocks, raise_exception, strftime_now, tojson). Gives text only; which tokens are trained
 * on is not decided here.
 */

import { Template } from '@huggingface/jinja'
import { TrituneError, didYouMean } from '../../core/errors.ts'

/** `role` and `content` are what most templates read; further fields pass through (`tool_calls`, `name`…). */
export interface ChatMessage {
  readonly role: string
  readonly content?: unknown
  readonly [field: string]: unknown
}

export interface RenderOptions {
  /** Ends with the opening of an assistant turn. */
  readonly addGenerationPrompt?: boolean
  /** JSON schemas of the tools that the model may call. */
  readonly tools?: readonly unknown[]
  /** A Jinja text instead of the model's own template. */
  readonly template?: string
  /** The name of one of several templates of the model; `tool_use` is taken by itself when there are tools. */
  readonly templateName?: string
  /** Further variables of the template (`enable_thinking`, `documents`…). */
  readonly variables?: Readonly<Record<string, unknown>>
}

/** `specialTokens`: `bos_token`, `eos_token`… as the template sees them. Parsed templates are kept. */
export function createChatRenderer(
  place: string,
  templates: ReadonlyMap<string, string>,
  specialTokens: Readonly<Record<string, string>>,
): (messages: readonly ChatMessage[], options?: RenderOptions) => string {
  const parsed = new Map<string, Template>()

  function parse(text: string): Template {
    const known = parsed.get(text)
    if (known !== undefined) return known
    const template = wrapped(place, 'the chat template cannot be parsed', () => new Template(text))
    parsed.set(text, template)
    return template
  }
  return (messages, { addGenerationPrompt = false, tools, template, templateName, variables = {} } = {}) => {
    const parsedTemplate = parse(
      template ?? chooseTemplate(place, templates, templateName, tools !== undefined),
    )
    return wrapped(place, 'the chat template refuses the messages', () =>
      parsedTemplate.render({
        ...specialTokens,
        ...variables,
        messages,
        tools: tools ?? null,
        add_generation_prompt: addGenerationPrompt,
      }),
    )
  }
}

function chooseTemplate(
  place: string,
  templates: ReadonlyMap<string, string>,
  name: string | undefined,
  withTools: boolean,
): string {
  if (templates.size === 0) {
    throw new TrituneError('E_TOKENIZER', 'the model has no chat template', {
      place,
      remedy: 'pass a template, or use an instruction-tuned model; base models have none',
    })
  }
  const wanted = name ?? (withTools && templates.has('tool_use') ? 'tool_use' : 'default')
  const template = templates.get(wanted)
  if (template !== undefined) return template
  throw new TrituneError(
    'E_TOKENIZER',
    `there is no chat template "${wanted}"; ${didYouMean(wanted, templates.keys())}`,
    {
      place,
    },
  )
}

function wrapped<T>(place: string, what: string, work: () => T): T {
  try {
    return work()
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw new TrituneError('E_TOKENIZER', `${what}: ${reason}`, {
      place,
      remedy: 'check the roles and their order, and the template (chat_template in tokenizer_config.json)',
      cause: error,
    })
  }
}
