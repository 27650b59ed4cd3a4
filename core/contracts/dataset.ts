/**
 * Dataset types: how one record of a file becomes tokens and labels. The built-in ones are in plugins/data.
 */

import type { ValidatableConfig } from './config.ts'

/** Where a record stands; lines count from 1. */
export interface RecordSource {
  readonly file: string
  readonly line: number
}

/** One record of a data file as it was read, before a dataset type makes tokens of it. */
export interface DataRecord {
  readonly value: Readonly<Record<string, unknown>>
  readonly source: RecordSource
  /** The JSON that `value` was parsed from, for what parsing loses (1.0 and 1 are one number in JavaScript). */
  readonly json?: string
}

/**
 * What an example is: a `document`; a `pair` of documents, a better answer and then a worse one to the same prompt; or an answer with a
 * label (`labelled`): `values.label` is 1 for a good one and 0 for a bad one.
 */
export type ExampleKind = 'document' | 'pair' | 'labelled'

/** One example: token ids and, for each, whether it is to be learned. */
export interface TokenizedExample {
  readonly ids: Int32Array
  /** As long as `ids`: `labels[i]` is `ids[i]` where that token is to be learned, else −100 (not shifted). */
  readonly labels: Int32Array
  readonly source: RecordSource
  /** Of an example of several documents: (documents + 1), where each begins in `ids`, and the end. They stay together. */
  readonly documents?: Int32Array | undefined
  /** Numbers that belong to it, for its loss: `label`, `margin`. */
  readonly values?: Readonly<Record<string, number>> | undefined
  /** Why it has nothing to learn although it has labels; it is left out and counted. */
  readonly untrained?: string | undefined
}

/** A message of a conversation, in the form that chat templates of Hugging Face take. */
export interface ChatMessage {
  readonly role: string
  /** A text, where there is one; turns that call tools may have none. */
  readonly content?: unknown
  /** Whatever else the chat template looks at. */
  readonly [property: string]: unknown
}

/** Options of rendering a conversation by a chat template. */
export interface ChatRenderOptions {
  readonly addGenerationPrompt: boolean
  /** JSON schemas of the tools that the model may call. */
  readonly tools?: readonly unknown[]
}

/** Characters `[start, end)` of a text. */
export interface CharSpan {
  readonly start: number
  readonly end: number
}

/** The keys of a file that choose a chat template; null: not set. */
export interface ChatTemplateKeys {
  readonly chat_template: string | null
  readonly chat_template_jinja: string | null
}

/** How another thread opens the same tokenizer: an exported function of a module, and arguments that can be cloned. */
export interface TokenizerRecipe {
  /** The URL of the module. */
  readonly module: string
  readonly name: string
  readonly args: readonly unknown[]
}

/**
 * How another thread finds the same dataset type, and how long what it made may be kept: an exported object of types by name. What such a type
 * makes of a record depends on the record and its context alone.
 */
export interface DatasetRecipe {
  /** The URL of the module. */
  readonly module: string
  /** The export: types by the names that `type:` takes. */
  readonly name: string
  /** Counts up whenever the same record would give other tokens or labels. */
  readonly version: number
}

/** What dataset types need of a tokenizer. */
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
  renderChat(messages: readonly ChatMessage[], options: ChatRenderOptions): string
  /** Where the template itself says what the model writes in that text; undefined when it does not say. */
  generationsOf?(
    messages: readonly ChatMessage[],
    options: ChatRenderOptions,
  ): readonly CharSpan[] | undefined
  /** Hash of everything that decides the ids: vocabulary, merges, added tokens, chat template. */
  readonly id: string
  /** The same tokenizer with another chat template; without it there is none but that of the run. */
  withChatTemplate?(options: ChatTemplateKeys): TokenizerLike
  /** Without it nobody but this thread tokenises. */
  readonly recipe?: TokenizerRecipe
}

/** What a dataset type is given besides the record; `O` are its own options, checked. */
export interface DatasetContext<O = unknown> {
  readonly tokenizer: TokenizerLike
  readonly typeOptions: O
  readonly trainOnInputs: boolean
  /** What the objective of the run takes; not given: documents. */
  readonly kind?: ExampleKind | undefined
  /** Something the user should know, said once however many records it concerns. */
  note(text: string): void
}

/** One `type:` of a dataset entry; `C` is what it is given besides the record. */
export interface DatasetDefinition<C = never> {
  readonly name: string
  /** The schema of `type_options` of the dataset entry; without it there are none. */
  readonly options?: ValidatableConfig<unknown>
  /** Examples longer than `sequence_len` are cut into several instead of being dropped. */
  readonly splitsLongText?: boolean
  /** What its examples can be; not given: documents. */
  readonly makes?: readonly ExampleKind[]
  /** Without it records are tokenised in this thread, and anew in every run. */
  readonly recipe?: DatasetRecipe
  /** Throws E_DATA with `file:line` when the record does not fit the type. */
  tokenize(record: DataRecord, context: C): TokenizedExample
}
