/**
 * How the instruction types of axolotl lay out a prompt: the words of Stanford Alpaca, of a chat, of ChatML, of Phi and of OpenOrca, and
 * what stands before them. Which fields go into them is in `prompt-types.ts`.
 */
import { oneTurn, TURN_STYLES } from './turn-styles.ts'

/** A prompt with an input, one without, and what comes before both. */
export interface PromptStyle {
  readonly system: (text: string) => string
  readonly withInput: (instruction: string, input: string) => string
  readonly alone: (instruction: string) => string
  /** What comes before is written even where it is empty. */
  readonly isOpened?: boolean
}

export const INSTRUCT: PromptStyle = {
  system: (text) => `${text}\n\n`,
  withInput: (instruction, input) =>
    `### Instruction:\n${instruction}\n\n### Input:\n${input}\n\n### Response:\n`,
  alone: (instruction) => `### Instruction:\n${instruction}\n\n### Response:\n`,
}

export const CHAT: PromptStyle = {
  system: (text) => `SYSTEM: ${text}\n`,
  withInput: (instruction, input) => `USER: ${instruction}\n${input}\nASSISTANT:`,
  alone: (instruction) => `USER: ${instruction}\nASSISTANT:`,
}

const { chatml } = TURN_STYLES

export const CHATML_STYLE: PromptStyle = {
  system: (text) => chatml.turn('system', text),
  withInput: (instruction, input) => oneTurn(chatml, `${instruction}\n${input}`, ''),
  alone: (instruction) => oneTurn(chatml, instruction, ''),
}

export const PHI: PromptStyle = {
  system: (text) => `<|system|>\n${text}<|end|>\n`,
  withInput: (instruction, input) => `<|user|>\n${instruction}<|end|>${input}<|assistant|>`,
  alone: (instruction) => `<|user|>\n${instruction}<|end|>\n<|assistant|>\n`,
}

/** The system text as it is. */
export const PLAIN_CHAT: PromptStyle = { ...CHAT, system: (text) => text }

const SUMMARIZE = 'USER: Summarize the following article as a TL;DR.\n'
export const TLDR: PromptStyle = {
  system: (text) => text,
  withInput: (instruction, input) => `${SUMMARIZE}${instruction}\n${input}\nASSISTANT:`,
  alone: (instruction) => `${SUMMARIZE}${instruction}\nASSISTANT:`,
}

/** Nothing but the instruction. */
export const BARE: PromptStyle = {
  system: (text) => text,
  withInput: (instruction, input) => `${instruction}\n${input}`,
  alone: (instruction) => instruction,
}

export const OPEN_ORCA: PromptStyle = {
  system: (text) => `### System:\n${text}\n`,
  withInput: (instruction, input) =>
    `### Human:\n${instruction}\n### Additional Context:\n${input}\n### Assistant:\n`,
  alone: (instruction) => `### Human:\n${instruction}\n### Assistant:\n`,
}

export const ORCA_MINI: PromptStyle = {
  system: (text) => `### System:\n${text}\n\n`,
  withInput: (instruction) => `### User:\n${instruction}\n\n### Response:\n`,
  alone: (instruction) => `### User:\n${instruction}\n\n### Response:\n`,
  isOpened: true,
}

/** The style after the colon of `alpaca:chat`. */
export const STYLES: Readonly<Record<'instruct' | 'chat' | 'chatml' | 'phi', PromptStyle>> = {
  instruct: INSTRUCT,
  chat: CHAT,
  chatml: CHATML_STYLE,
  phi: PHI,
}
