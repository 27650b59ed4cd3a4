/**
 * Chat templates: messages to the text that the model was trained on, as `apply_chat_template` of transformers does it.
 * The language is in plugins/jinja. Gives text, and where the `{% generation %}` blocks of a template stand in it; which
 * tokens are trained on is not decided here.
 */

import { TrituneError, didYouMean } from '../../core/errors.ts'
import { compileTemplate, type Rendered, type Template } from '../jinja/mod.ts'

/** `role` and `content` are what most templates read; further fields pass through (`tool_calls`, `name`…). */
export interface ChatMessage {
  readonly role: string
  readonly content?: unknown
  readonly [field: string]: unknown
}

/** Options of rendering a conversation: which template, and what it is given beside the messages. */
export interface RenderOptions {
  /** Ends with the opening of an assistant turn. */
  readonly addGenerationPrompt?: boolean
  /** JSON schemas of the tools that the model may call. */
  readonly tools?: readonly unknown[]
  /** A Jinja text instead of the model's own template. */
  readonly template?: string
  /** Where that text comes from, for errors. */
  readonly templatePlace?: string
  /** The name of one of several templates of the model; `tool_use` is taken by itself when there are tools. */
  readonly templateName?: string
  /** Further variables of the template (`enable_thinking`, `documents`…). */
  readonly variables?: Readonly<Record<string, unknown>>
}

/** The text of a conversation, and which parts of it the model writes. */
export interface RenderedChat {
  readonly text: string
  /**
   * Characters `[start, end)` of what the template says that the model writes; undefined where it does not say so, or says
   * it inside of a macro.
   */
  readonly generations: Rendered['generations']
}

/** Renders conversations by one model's templates; throws E_TOKENIZER when a template refuses. */
export type ChatRenderer = (messages: readonly ChatMessage[], options?: RenderOptions) => RenderedChat

/**
 * `specialTokens`: `bos_token`, `eos_token`… as the template sees them. Parsed templates are kept.
 *
 * @example
 * ```ts
 * import { createChatRenderer } from 'tritune/plugins/tokenizer'
 *
 * const templates = new Map([['default', '{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}{{ eos_token }}']])
 * const render = createChatRenderer('here', templates, { eos_token: '</s>' })
 * console.log(render([{ role: 'user', content: 'Hi' }]).text) // → <user>Hi</s>
 * ```
 */
export function createChatRenderer(
  place: string,
  templates: ReadonlyMap<string, string>,
  specialTokens: Readonly<Record<string, string>>,
): ChatRenderer {
  const parsed = new Map<string, Template>()

  function parse(text: string, from: string): Template {
    const known = parsed.get(text)
    if (known !== undefined) return known
    const template = wrapped(from, 'the chat template cannot be parsed', 'mend the template', () =>
      compileTemplate(text),
    )
    parsed.set(text, template)
    return template
  }
  return (
    messages,
    { addGenerationPrompt = false, tools, template, templatePlace, templateName, variables = {} } = {},
  ) => {
    const from = template === undefined ? place : (templatePlace ?? 'the template that was given')
    const text = template ?? chooseTemplate(place, templates, templateName, tools !== undefined)
    const compiled = parse(text, from)
    const rendered = wrapped(from, 'the chat template refuses the messages', REFUSED, () =>
      compiled.render({
        documents: null,
        ...specialTokens,
        ...variables,
        messages: messages.map(normalized),
        tools: tools ?? null,
        add_generation_prompt: addGenerationPrompt,
      }),
    )
    return compiled.marksGenerations ? rendered : { text: rendered.text, generations: undefined }
  }
}

const REASONING = ['reasoning_content', 'thinking', 'reasoning']

/**
 * A message as transformers hands it to templates: fields that are null are not there, and reasoning is found under all
 * of its names.
 */
function normalized(message: ChatMessage): Readonly<Record<string, unknown>> {
  const fields = Object.entries(message).filter(([, value]) => value !== null && value !== undefined)
  const given: Record<string, unknown> = Object.fromEntries(fields)
  const name = REASONING.find((key) => given[key] !== undefined)
  if (name === undefined) return given
  return { thinking: given[name], ...given, reasoning_content: given[name] }
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
      remedy:
        'pass a template, by name or as a file (--chat-template chatml; chat_template in the file of a run), or use an instruction-tuned model; base models have none',
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

const REFUSED = 'check the roles and their order, and the template'

/** A remedy that the error itself has goes before. */
function wrapped<T>(place: string, what: string, remedy: string, work: () => T): T {
  try {
    return work()
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error)
    const own = error instanceof TrituneError ? error.remedy : undefined
    const reason = own === undefined ? message : message.slice(0, message.lastIndexOf('\n  → '))
    throw new TrituneError('E_TOKENIZER', `${what}: ${reason}`, {
      place,
      remedy: own ?? remedy,
      cause: error,
    })
  }
}
