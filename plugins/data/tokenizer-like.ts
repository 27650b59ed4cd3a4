/**
 * What this folder needs of a tokenizer. The real one lives in another plugin; tests bring a tiny one.
 */

export interface ChatMessage {
  readonly role: string
  readonly content: string
  /** Whatever else the chat template looks at. */
  readonly [property: string]: unknown
}

export interface TokenizerLike {
  /** `addSpecialTokens` puts BOS (and whatever the tokenizer is set to) around the text. */
  encode(text: string, options: { readonly addSpecialTokens: boolean }): number[]
  decode(ids: readonly number[]): string
  /** The entry of the vocabulary, for display. */
  tokenOf(id: number): string
  readonly bosId: number | null
  readonly eosId: number | null
  readonly padId: number | null
  /** The text of a conversation. Throws when there is no chat template. */
  renderChat(messages: readonly ChatMessage[], options: { readonly addGenerationPrompt: boolean }): string
  /** Hash of everything that decides the ids: vocabulary, merges, added tokens, chat template. */
  readonly id: string
}
