/**
 * Dataset types: how one record of a file becomes tokens and labels.
 */

/** Where a record came from, for messages. */
export interface RecordSource {
  readonly file: string
  /** 1-based. */
  readonly line: number
}

export interface TokenizedExample {
  readonly ids: Int32Array
  /** Same length as ids; the token to learn AT this position (not shifted), −100 where nothing is learned. */
  readonly labels: Int32Array
  readonly source: RecordSource
}

/** What dataset types need from a tokenizer. */
export interface TokenizerLike {
  /** Changes when the tokenizer does: part of the key of the tokenised cache. */
  readonly id: string
  readonly bosId: number | null
  readonly eosId: number | null
  readonly padId: number | null
  encode(text: string, options?: { readonly addSpecialTokens?: boolean }): number[]
  decode(ids: readonly number[], options?: { readonly skipSpecialTokens?: boolean }): string
  tokenOf(id: number): string
  renderChat(messages: readonly ChatMessage[], options?: { readonly addGenerationPrompt?: boolean }): string
}

export interface ChatMessage {
  readonly role: string
  readonly content: string
}

/** One `type:` of a dataset entry. `O` are the entry's options. */
export interface DatasetDefinition<O = Readonly<Record<string, unknown>>> {
  readonly name: string
  tokenize(
    record: Readonly<Record<string, unknown>>,
    context: { readonly tokenizer: TokenizerLike; readonly source: RecordSource; readonly options: O },
  ): TokenizedExample
}
