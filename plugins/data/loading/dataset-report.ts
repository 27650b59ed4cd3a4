/** What became of a dataset on its way to examples: counts, what was left out and why, notes. */
import { counted } from '../../../core/counted.ts'
import type { TokenizedExample } from '../types/dataset-type.ts'
import { lengthOf } from '../types/stored-example.ts'
import { listSources, type UntrainedExample } from './length-policy.ts'
import { trainedTokens } from '../packing/trained-tokens.ts'

/** Counts of one split, in examples and tokens. */
export interface SplitReport {
  readonly examples: number
  readonly tokens: number
  /** Tokens that are predicted and scored. */
  readonly trainedTokens: number
  /** Tokens of the longest example. */
  readonly longest: number
}

/** What became of a dataset on its way to examples; `formatReport()` makes lines of it. */
export interface DatasetReport {
  readonly train: SplitReport
  readonly validation: SplitReport
  /** Records read from the files, before anything was left out. */
  readonly records: number
  readonly tooLong: number
  readonly tooShort: number
  readonly truncated: number
  /** Long texts that were cut into several examples. */
  readonly cut: number
  /** The examples that had nothing to learn and were left out. */
  readonly untrained: readonly UntrainedExample[]
  /** Examples left out for being equal to, or nearly like, an earlier one. */
  readonly equal: number
  readonly alike: number
  readonly notes: readonly string[]
}

export function reportSplit(examples: readonly TokenizedExample[]): SplitReport {
  let tokens = 0
  let trained = 0
  let longest = 0
  for (const example of examples) {
    tokens += lengthOf(example)
    trained += trainedTokens(example)
    longest = Math.max(longest, lengthOf(example))
  }
  return { examples: examples.length, tokens, trainedTokens: trained, longest }
}

/** A report as lines for people: examples, tokens, what was left out and why. */
export function formatReport(report: DatasetReport): string[] {
  const { train, validation, tooLong, tooShort, truncated, cut, untrained, equal, alike, notes } = report
  const lines = [`train: ${splitLine(train)}`]
  if (validation.examples > 0) lines.push(`validation: ${splitLine(validation)}`)
  if (tooLong > 0) lines.push(`dropped: ${tooLong} longer than sequence_len`)
  if (tooShort > 0) lines.push(`dropped: ${tooShort} shorter than min_sample_len`)
  if (truncated > 0) lines.push(`truncated: ${truncated} to sequence_len`)
  if (cut > 0) lines.push(`cut: ${cut} long texts into pieces of sequence_len`)
  if (equal > 0) lines.push(`dropped: ${equal} equal to an earlier one`)
  if (alike > 0) lines.push(`dropped: ${alike} nearly like an earlier one`)
  return [...lines, ...untrainedLines(untrained), ...notes.map((note) => `note: ${note}`)]
}

/** What examples were left out for having nothing to learn: one line for each reason, with the first place. */
export function untrainedLines(untrained: readonly UntrainedExample[]): string[] {
  const reasons = Map.groupBy(untrained, ({ reason }) => reason)
  return [...reasons].map(
    ([reason, examples]) => `nothing to learn in ${examples.length}: ${reason} (${listSources(examples)})`,
  )
}

function splitLine({ examples, tokens, trainedTokens: trained, longest }: SplitReport): string {
  return `${counted(examples, 'example')}, ${counted(tokens, 'token')}, ${trained} trained, longest ${longest}`
}
