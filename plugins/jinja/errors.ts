/** How a template fails. */
import { TrituneError } from '../../core/mod.ts'

/** An error of the template language: a bad template, or one that refuses its input. */
export function templateError(message: string, line?: number, remedy?: string): TrituneError {
  return new TrituneError('E_TOKENIZER', line === undefined ? message : `${message} (line ${line})`, {
    remedy,
  })
}

/** A template that was stopped because it costs too much. */
export function budgetError(message: string): TrituneError {
  return templateError(
    message,
    undefined,
    'shorten the conversation, or simplify the loops of the template: it is stopped so that it cannot take the machine',
  )
}
