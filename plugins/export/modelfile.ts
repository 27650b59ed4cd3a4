/**
 * Ollama's Modelfile: which file, how a chat is written (a Go template), and where a reply ends.
 * Format: https://github.com/ollama/ollama/blob/main/docs/modelfile.mdx
 */
import { createTokenizer, type TokenizerFiles } from '../tokenizer/mod.ts'
import { type ChatWraps, findChatWraps, type Wrap } from './chat-wraps.ts'

/** What a Modelfile is made of. */
export interface ModelfileOptions {
  /** Relative, `./model.gguf`. */
  readonly model: string
  readonly adapter: string | null
  readonly tokenizer: TokenizerFiles | null
}

/** The text of the file, and what it leaves out. */
export interface Modelfile {
  readonly text: string
  readonly notes: readonly string[]
}

/** Writes TEMPLATE where the chat template is no more than texts around messages, and says so where it is more. */
export function modelfile({ model, adapter, tokenizer }: ModelfileOptions): Modelfile {
  const lines = [`FROM ${model}`]
  const notes: string[] = []
  if (adapter !== null) lines.push(`ADAPTER ${adapter}`)
  if (tokenizer !== null && tokenizer.chatTemplates.size > 0) {
    const wraps = wrapsOf(tokenizer)
    const template = wraps === null ? null : goTemplate(wraps)
    if (template === null || template.includes('"""')) {
      const note =
        'the chat template is more than texts around messages, so there is no TEMPLATE: Ollama takes the one it knows for the model, or none'
      notes.push(note)
      lines.push(`# ${note}`)
    } else {
      lines.push(`TEMPLATE """${template}"""`)
      if (wraps?.system === null)
        notes.push('the chat template has no system messages: Ollama leaves them out')
      if (wraps?.defaultSystem != null) lines.push(`SYSTEM """${wraps.defaultSystem}"""`)
    }
    for (const stop of stopTexts(tokenizer, wraps)) lines.push(`PARAMETER stop ${JSON.stringify(stop)}`)
  }
  return { text: `${lines.join('\n')}\n`, notes }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function wrapsOf(files: TokenizerFiles): ChatWraps | null {
  const tokenizer = createTokenizer(files)
  const { bosId } = tokenizer
  const addsBos = bosId !== undefined && tokenizer.encode('x')[0] === bosId
  return findChatWraps(
    (messages, options) => tokenizer.renderChat(messages, options),
    addsBos ? tokenizer.decode([bosId]) : '',
  )
}

/** Ollama puts SYSTEM before the messages itself. */
function goTemplate({ start, system, user, assistant }: ChatWraps): string {
  const message = ({ before, after }: Wrap): string => `${literal(before)}{{ .Content }}${literal(after)}`
  const roles = [
    ...(system === null ? [] : [`eq .Role "system" }}${message(system)}`]),
    `eq .Role "user" }}${message(user)}`,
    `eq .Role "assistant" }}${message(assistant)}`,
  ]
  return `${literal(start)}{{ range .Messages }}{{ if ${roles.join('{{ else if ')}{{ end }}{{ end }}${literal(assistant.before)}`
}

function literal(text: string): string {
  return text.replaceAll('{{', '{{ "{{" }}')
}

/** Tokens that end a reply, and what the template puts after one. */
function stopTexts(files: TokenizerFiles, wraps: ChatWraps | null): string[] {
  const tokenizer = createTokenizer(files)
  const ends = tokenizer.eosIds.map((id) => tokenizer.decode([id]))
  const after = wraps?.assistant.after.trim().split('\n')[0] ?? ''
  return [...new Set([...ends, after])].filter((text) => text !== '')
}
