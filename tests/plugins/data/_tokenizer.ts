/**
 * A tokenizer small enough to count by hand: every byte is a token (id 8 + byte), special tokens are found in the text,
 * and `merges` adds pieces that swallow several bytes. tests/oracle/data_golden.py builds the same one for transformers.
 */
import { compileTemplate, type Rendered } from '../../../plugins/jinja/mod.ts'
import type { ChatMessage, ChatRenderOptions, TokenizerLike } from '../../../core/mod.ts'

export const SPECIAL: readonly string[] = ['<s>', '</s>', '<|im_start|>', '<|im_end|>', '[INST]', '[/INST]']
const BYTES = 8
const MERGES = 300

export interface TinyTokenizerOptions {
  readonly template?: string
  readonly merges?: readonly string[]
  readonly addBos?: boolean
  readonly addEos?: boolean
  readonly eosToken?: string | null
  readonly id?: string
}

export const CHATML_TEMPLATE: string =
  "{% for message in messages %}{{ '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>\n' }}" +
  "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"

export function tinyTokenizer({
  template = CHATML_TEMPLATE,
  merges = [],
  addBos = false,
  addEos = false,
  eosToken = '</s>',
  id = 'tiny',
}: TinyTokenizerOptions = {}): TokenizerLike {
  const jinja = compileTemplate(template)
  const special = new RegExp(`(${SPECIAL.map((token) => token.replace(/[|[\]/]/g, '\\$&')).join('|')})`)
  const bosId = 0
  const eosId = eosToken === null ? null : SPECIAL.indexOf(eosToken)

  function pieces(text: string): number[] {
    const bytes = new TextEncoder().encode(text)
    const ids: number[] = []
    for (let i = 0; i < bytes.length;) {
      const merge = merges.findIndex((piece) => {
        const wanted = new TextEncoder().encode(piece)
        return wanted.every((byte, j) => bytes[i + j] === byte)
      })
      ids.push(merge >= 0 ? MERGES + merge : BYTES + bytes[i])
      i += merge >= 0 ? new TextEncoder().encode(merges[merge]).length : 1
    }
    return ids
  }

  function bytesOf(token: number): Uint8Array {
    if (token < BYTES) return new TextEncoder().encode(SPECIAL[token])
    return token < MERGES ? Uint8Array.of(token - BYTES) : new TextEncoder().encode(merges[token - MERGES])
  }

  function decode(ids: readonly number[]): string {
    return new TextDecoder().decode(Uint8Array.from(ids.flatMap((token) => [...bytesOf(token)])))
  }

  function render(
    messages: readonly ChatMessage[],
    { addGenerationPrompt, tools }: ChatRenderOptions,
  ): Rendered {
    return jinja.render({
      messages,
      tools: tools ?? null,
      add_generation_prompt: addGenerationPrompt,
      bos_token: '<s>',
      eos_token: '</s>',
    })
  }

  return {
    encode(text, { addSpecialTokens }) {
      const ids = text
        .split(special)
        .flatMap((part) => (SPECIAL.includes(part) ? [SPECIAL.indexOf(part)] : pieces(part)))
      if (!addSpecialTokens) return ids
      return [...(addBos ? [bosId] : []), ...ids, ...(addEos && eosId !== null ? [eosId] : [])]
    },
    decode,
    tokenOf: (token) => decode([token]),
    bosId,
    eosId,
    padId: eosId,
    renderChat: (messages, options) => render(messages, options).text,
    generationsOf: (messages, options) =>
      jinja.marksGenerations ? render(messages, options).generations : undefined,
    id,
  }
}

/** The trained parts of an example, as text. */
export function trainedText(
  { ids, labels }: { readonly ids: Int32Array; readonly labels: Int32Array },
  tokenizer: TokenizerLike,
): string[] {
  const runs: number[][] = []
  ids.forEach((token, i) => {
    if (labels[i] === -100) return
    if (i > 0 && labels[i - 1] !== -100) runs.at(-1)?.push(token)
    else runs.push([token])
  })
  return runs.map((run) => tokenizer.decode(run))
}
