/**
 * What a text may say, token by token: the contract between the engine and whoever knows the rules.
 */

/** The rules of one text, at the place where the text is. The engine moves it on with each token. */
export interface TokenConstraint {
  /** Whether the text may end here: then a stop token may come. */
  readonly canEnd: boolean
  /** Whether nothing can come any more: the text ends. */
  readonly isOver: boolean
  /** The tokens that may come next, bit i % 32 of word i / 32 for token i; not changed before `accept()`. Stop tokens need not be among them. */
  allowed(): Uint32Array
  /** Moves on behind a token that was allowed. */
  accept(id: number): void
}
