/**
 * Whether a written text is the wanted one: `exact_match` of lm-evaluation-harness, which has it from Hugging Face's evaluate.
 */
import type { MatchOptions } from '../tasks/task.ts'

/** True when the texts are equal, apart from what does not count. */
export function matches(written: string, wanted: string, options: MatchOptions): boolean {
  return bare(written, options) === bare(wanted, options)
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** `string.punctuation` of Python. */
const PUNCTUATION = /[!-/:-@[-`{-~]/g

function bare(text: string, { ignoreCase, ignorePunctuation, ignoreNumbers, ignored }: MatchOptions): string {
  let left = ignored.reduce((rest, pattern) => rest.replace(pattern, ''), text)
  if (ignoreCase) left = left.toLowerCase()
  if (ignorePunctuation) left = left.replace(PUNCTUATION, '')
  return ignoreNumbers ? left.replace(/[0-9]/g, '') : left
}
