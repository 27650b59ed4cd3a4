/** Where our masks differ from axolotl's or transformers', on purpose, and why. Texts never differ. */

export interface Difference {
  /** Whose mask it is. */
  readonly by: 'axolotl' | 'transformers'
  readonly kind: 'refused here' | 'refused there' | 'differs'
  /** Names of templates; all when it is left out. */
  readonly templates?: RegExp
  /** Our error. */
  readonly error?: RegExp
  readonly reason: string
}

const LEFT_OUT =
  'a message that the template leaves out is an error here, and is dropped without a word there'
const LEFT_OUT_CALLS =
  'tool calls that the template leaves out are an error here; there the turn is trained as an empty one'
export const DIFFERENCES: readonly Difference[] = [
  { by: 'axolotl', kind: 'refused here', error: /leaves out message \d+, whose role/, reason: LEFT_OUT },
  {
    by: 'axolotl',
    kind: 'refused here',
    error: /leaves out the tool calls of message/,
    reason: LEFT_OUT_CALLS,
  },
  {
    by: 'axolotl',
    kind: 'refused there',
    reason:
      'axolotl puts a turn without tool calls in the place of one with calls, which the template refuses before a tool result',
  },
  {
    by: 'axolotl',
    kind: 'differs',
    templates: /gemma[-_]?4|diffusion_gemma|command_a|muse_glimmer|cohere|deepseek/,
    reason:
      'without the tool calls the template writes the tool results elsewhere, so axolotl takes them for a part of the turn',
  },
  {
    by: 'axolotl',
    kind: 'differs',
    templates: /zephyr|dots_ocr|olmo/,
    reason: 'axolotl puts an empty turn at −1, and trains an EOS that is among the first tokens of the text',
  },
  {
    by: 'axolotl',
    kind: 'differs',
    templates: /minimax2|exaone|breeze/,
    reason:
      'an empty turn, or one of one character, before text that begins as the placeholder of axolotl: it takes that character for the turn',
  },
  { by: 'transformers', kind: 'refused here', error: /leaves out message \d+, whose role/, reason: LEFT_OUT },
  {
    by: 'transformers',
    kind: 'refused here',
    error: /leaves out the tool calls of message/,
    reason: LEFT_OUT_CALLS,
  },
]
