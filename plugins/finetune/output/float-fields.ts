/**
 * Numbers of config.json that are floats although they are whole: `0.0` is `0` once it was parsed, and transformers refuses a whole number where a field
 * is a float (`router_jitter_noise` of mixtral).
 */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/** The text of a config.json, with a point in the numbers that have one in that of the base model. */
export function withFloats(text: string, modelPath: string): string {
  const original = join(modelPath, 'config.json')
  if (modelPath.endsWith('.gguf') || !existsSync(original)) return text
  const floats = new Set(
    [...readFileSync(original, 'utf8').matchAll(/"([^"\\]+)"\s*:\s*-?\d+\.0+(?=\s*[,}\]])/g)].map(
      ([, key]) => key,
    ),
  )
  return text.replace(/^(\s*"([^"\\]+)": -?\d+)(,?)$/gm, (line, number: string, key: string, end: string) =>
    floats.has(key) ? `${number}.0${end}` : line,
  )
}
