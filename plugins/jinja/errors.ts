/** How a template fails. */
import { TrituneError } from '../../core/mod.ts'

/** An error of the template language: a bad template, or one that refuses its input. */
export function templateError(message: string, line?: number): TrituneError {
  return new TrituneError('E_TOKENIZER', line === undefined ? message : `${message} (line ${line})`)
}
