/**
 * The tokenizer of a run: the model's, with the special tokens and the chat template that the configuration sets.
 */
import { TrituneError, type TokenizerLike } from '../../core/mod.ts'
import { ggufTokenizer, openGguf } from '../gguf/mod.ts'
import { loadTokenizer, type Tokenizer } from '../tokenizer/mod.ts'
import type { FinetuneConfig } from './config.ts'

export interface RunTokenizer extends TokenizerLike {
  readonly inner: Tokenizer
}

/** Throws E_TOKENIZER when there is none, or when a special token is not in its vocabulary. */
export function openTokenizer(modelPath: string, config?: Pick<FinetuneConfig, 'special_tokens'>): RunTokenizer {
  const inner = modelPath.endsWith('.gguf') ? loadTokenizer(ggufTokenizer(openGguf(modelPath))) : loadTokenizer(modelPath)
  const special = (key: 'bos_token' | 'eos_token' | 'pad_token', own: number | undefined): number | null => {
    const token = config?.special_tokens[key]
    if (token == null) return own ?? null
    const id = inner.idOf(token)
    if (id === undefined) throw new TrituneError('E_TOKENIZER', `special_tokens.${key}: "${token}" is not in the vocabulary`, { remedy: 'new tokens are not supported yet' })
    return id
  }
  return {
    inner,
    id: inner.id,
    bosId: special('bos_token', inner.bosId),
    eosId: special('eos_token', inner.eosId),
    padId: special('pad_token', inner.padId),
    encode: (text, options) => [...inner.encode(text, options)],
    decode: (ids, options) => inner.decode([...ids], options),
    tokenOf: (id) => inner.tokenOf(id) ?? `<${id}>`,
    renderChat: (messages, options) => inner.renderChat(messages, options),
  }
}
