/**
 * JSON Schemas of requests, ready to be followed. What was opened for one request is kept for those that ask for the same.
 */
import { type JsonSchema, TrituneError } from '../../../core/mod.ts'
import { openJsonSchema, type OpenSchema, type TokenConstraint } from '../../generate/mod.ts'
import type { Tokenizer } from '../../tokenizer/mod.ts'

/** Gives the rules of new texts. */
export interface ConstraintSource {
  /** Throws what `openJsonSchema()` throws, and E_CONFIG for a schema that is too long. */
  of(schema: JsonSchema, tokenizer: Tokenizer): () => TokenConstraint
}

/** Characters of a schema as JSON. */
const LONGEST = 100_000
/** Schemas that are kept; the one that was used longest ago goes first. */
const KEPT = 8

export function createConstraintSource(): ConstraintSource {
  const known = new Map<string, { readonly tokenizer: Tokenizer; readonly open: OpenSchema }>()
  return {
    of(schema, tokenizer) {
      const key = JSON.stringify(schema)
      if (key.length > LONGEST)
        throw new TrituneError(
          'E_CONFIG',
          `the schema has ${key.length} characters, at most ${LONGEST} are read`,
        )
      const found = known.get(key)
      const open = found?.tokenizer === tokenizer ? found.open : openJsonSchema(schema, tokenizer)
      known.delete(key)
      known.set(key, { tokenizer, open })
      if (known.size > KEPT) for (const oldest of [...known.keys()].slice(0, 1)) known.delete(oldest)
      return () => open.open()
    },
  }
}
