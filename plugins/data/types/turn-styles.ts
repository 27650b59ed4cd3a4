/**
 * Prompts of one turn that axolotl's types write themselves, whatever the chat template of the model is: ChatML's and Llama 3's.
 */

/** How a style writes what is before an answer, and what ends it. */
export interface TurnStyle {
  turn(role: string, content: string): string
  readonly opening: string
  readonly end: string
}

/** The styles by the first part of the names of types. */
export const TURN_STYLES: Readonly<Record<'chatml' | 'llama3', TurnStyle>> = {
  chatml: {
    turn: (role, content) => `<|im_start|>${role}\n${content}<|im_end|>\n`,
    opening: '<|im_start|>assistant\n',
    end: '<|im_end|>',
  },
  llama3: {
    turn: (role, content) => `<|start_header_id|>${role}<|end_header_id|>\n\n${content}<|eot_id|>`,
    opening: '<|start_header_id|>assistant<|end_header_id|>\n\n',
    end: '<|eot_id|>',
  },
}

/** A question, after a system text where there is one, up to where the answer begins. */
export function oneTurn({ turn, opening }: TurnStyle, question: string, system: string): string {
  return (system === '' ? '' : turn('system', system)) + turn('user', question) + opening
}
