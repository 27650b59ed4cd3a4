/**
 * A task: items with a known answer, and the measures that are taken of them. What a model makes of it is told elsewhere (../evaluate-task.ts).
 *
 * The kinds are the output types of lm-evaluation-harness (https://github.com/EleutherAI/lm-evaluation-harness), and so are the names of the measures.
 */

/** One of some endings is right: the one that the model finds likeliest is its answer. */
export interface ChoiceItem {
  readonly place: string
  readonly context: string
  /** Put before each choice, but not where the context is a chat. */
  readonly delimiter: string
  readonly choices: readonly string[]
  /** Indices of those that are right. */
  readonly gold: readonly number[]
}

/** The text that follows: how likely it is, and whether it is the likeliest. */
export interface ContinuationItem {
  readonly place: string
  readonly context: string
  readonly continuation: string
}

/** A text that the model writes, and what it should be. */
export interface GenerationItem {
  readonly place: string
  readonly context: string
  /** One of these is enough. */
  readonly targets: readonly string[]
}

/** A text that is only measured. */
export interface TextItem {
  readonly place: string
  readonly text: string
}

/** What of a written text does not count when it is compared. */
export interface MatchOptions {
  readonly ignoreCase: boolean
  readonly ignorePunctuation: boolean
  readonly ignoreNumbers: boolean
  /** Taken out of both texts first. */
  readonly ignored: readonly RegExp[]
}

/** How texts are written. Greedy. */
export interface WritingOptions {
  /** Texts that end it, which are not part of it. */
  readonly until: readonly string[]
  readonly maxNewTokens: number
}

/** Items of one kind, and what is measured of them. */
export type Task = { readonly name: string; readonly measures: readonly string[] } & (
  | { readonly kind: 'multiple_choice'; readonly items: readonly ChoiceItem[] }
  | { readonly kind: 'loglikelihood'; readonly items: readonly ContinuationItem[] }
  | {
      readonly kind: 'generate_until'
      readonly items: readonly GenerationItem[]
      readonly writing: WritingOptions
      readonly match: MatchOptions
    }
  | { readonly kind: 'loglikelihood_rolling'; readonly items: readonly TextItem[] }
)

/** What is asked of a model, by the name that lm-evaluation-harness has for it. */
export type TaskKind = Task['kind']

/** What can be measured of each kind; the first ones are taken where nothing is asked for. */
export const MEASURES: Readonly<Record<TaskKind, readonly string[]>> = {
  multiple_choice: ['acc', 'acc_norm', 'acc_bytes'],
  loglikelihood: ['acc', 'perplexity'],
  generate_until: ['exact_match'],
  loglikelihood_rolling: ['token_perplexity', 'word_perplexity', 'byte_perplexity', 'bits_per_byte'],
}

/** Without a file that says otherwise. */
export const DEFAULT_MEASURES: Readonly<Record<TaskKind, readonly string[]>> = {
  ...MEASURES,
  multiple_choice: ['acc', 'acc_norm'],
}

/** As lm-evaluation-harness compares where nothing is said. */
export const EXACT: MatchOptions = {
  ignoreCase: false,
  ignorePunctuation: false,
  ignoreNumbers: false,
  ignored: [],
}

/** As lm-evaluation-harness writes where nothing is said. */
export const DEFAULT_WRITING: WritingOptions = { until: ['\n\n'], maxNewTokens: 256 }
