/**
 * Parts of a tokenizer.json, as far as a GGUF file has words for them.
 */
import { TrituneError } from '../../core/errors.ts'
import { GPT2_PATTERN } from './pre-tokenizers.ts'

export type Json = Readonly<Record<string, unknown>>

export function isJson(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

export function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : []
}

export function objectsOf(value: unknown): Json[] {
  return listOf(value).filter(isJson)
}

/**
 * The patterns that a byte-level pre-tokenizer cuts by, one after the other.
 * @throws E_UNSUPPORTED for a step that has none
 */
export function byteLevelPatterns(preTokenizer: unknown, place: string): string[] {
  const steps = isJson(preTokenizer)
    ? preTokenizer['type'] === 'Sequence'
      ? objectsOf(preTokenizer['pretokenizers'])
      : [preTokenizer]
    : []
  if (!steps.some(({ type }) => type === 'ByteLevel'))
    throw new TrituneError('E_UNSUPPORTED', 'this tokenizer works neither on bytes nor falls back to them', {
      place,
      remedy: 'export the model as a Hugging Face folder (hf)',
    })
  return steps.flatMap((step) => {
    const patterns = patternsOf(step)
    if (patterns) return patterns
    throw new TrituneError('E_UNSUPPORTED', `llama.cpp has no pre-tokenizer ${JSON.stringify(step)}`, {
      place,
      remedy: 'export the model as a Hugging Face folder (hf)',
    })
  })
}

function patternsOf(step: Json): string[] | null {
  switch (step['type']) {
    case 'ByteLevel':
      if (step['add_prefix_space'] === true) return null
      return step['use_regex'] === false ? [] : [GPT2_PATTERN]
    case 'Digits':
      return [step['individual_digits'] === true ? '\\p{N}' : '\\p{N}+']
    case 'Split': {
      const { pattern, behavior, invert } = step
      if (!isJson(pattern) || typeof pattern['Regex'] !== 'string') return null
      const isolates = behavior === 'Isolated' && invert !== true
      // Where the pattern matches everything, what is between the matches is nothing.
      return isolates || (behavior === 'Removed' && invert === true) ? [pattern['Regex']] : null
    }
    default:
      return null
  }
}
