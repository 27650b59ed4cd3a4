/**
 * Tokens that are added, taken away or repaired.
 */
import { type KeyFacts, refused } from './key-fact.ts'

const TOKENS = 'changing the vocabulary'

export const VOCABULARY_KEYS: KeyFacts = {
  ignored: {},
  refused: {
    ...refused(TOKENS, ['shrink_embeddings', 'fix_untrained_tokens', 'embeddings_skip_upcast']),
  },
}
