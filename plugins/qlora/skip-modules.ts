/**
 * Which modules stay unpacked, by the patterns of transformers' `llm_int8_skip_modules` and AWQ's `modules_to_not_convert`: the
 * start of a path up to a dot, by name or as a regular expression, or its end.
 */
import { TrituneError } from '../../core/errors.ts'

/** True when one of the patterns names the module. A pattern that is no regular expression counts as a name. */
export function isSkipped(path: string, patterns: readonly string[]): boolean {
  return patterns.some((pattern) => path.endsWith(pattern) || startsWith(path, pattern))
}

/** E_VALUE for a pattern that names none of the modules. */
export function expectSkips(paths: Iterable<string>, patterns: readonly string[]): void {
  const known = [...paths]
  for (const pattern of patterns)
    if (!known.some((path) => isSkipped(path, [pattern])))
      throw new TrituneError('E_VALUE', `there is no module "${pattern}" to skip`, {
        remedy: `modules have names such as ${known.slice(0, 3).join(', ')}`,
      })
}

function startsWith(path: string, pattern: string): boolean {
  try {
    return new RegExp(`^(?:${pattern})(?:(?<=\\.)|(?=\\.|$))`).test(path)
  } catch {
    return path === pattern || path.startsWith(`${pattern}.`)
  }
}
