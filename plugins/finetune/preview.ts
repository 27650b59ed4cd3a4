/**
 * What a run would learn, token by token: examples as they are after tokenizing, each token with what becomes of it. For `tritune preview`; no weights.
 */
import { type DatasetReport, documentsOf, IGNORE, type TokenizedExample } from '../data/mod.ts'
import type { Tokenizer } from '../tokenizer/mod.ts'
import type { FinetuneConfig } from './config/config.ts'
import { openInputs, type PrepareOptions } from './run-inputs.ts'

/** A token, or several that make one character together. */
export interface PreviewToken {
  readonly text: string
  readonly ids: readonly number[]
  /** Whether it is learned. */
  readonly trained: boolean
  /** Whether it is one that marks something, such as the end of a turn. */
  readonly special: boolean
}

/** An example of the data as a run would learn it. */
export interface PreviewExample {
  readonly file: string
  readonly line: number
  readonly tokens: readonly PreviewToken[]
  /** Tokens, and how many of them are learned. */
  readonly count: number
  readonly trained: number
}

/** What `previewConfig()` gives. */
export interface Preview {
  readonly examples: readonly PreviewExample[]
  readonly report: DatasetReport
  readonly notes: readonly string[]
}

/** Options of `previewConfig()`: those of `prepareRun()`, and how many examples, of which part of the data. */
export interface PreviewOptions extends Omit<PrepareOptions, 'weights'> {
  readonly count?: number
  /** Left out before the first. */
  readonly skip?: number
  readonly validation?: boolean
}

/**
 * Reads and tokenizes the data of a file, as a run does, and gives the first examples.
 *
 * @example
 * ```ts
 * import { readFileSync } from 'node:fs'
 * import { previewConfig, readFinetuneConfig } from 'tritune/plugins/finetune'
 *
 * const config = readFinetuneConfig(readFileSync('my.yaml', 'utf8'), 'my.yaml')
 * const { examples } = await previewConfig(config, { count: 1 })
 * console.log(examples[0].tokens.map(({ text, trained }) => (trained ? `«${text}»` : text)).join(''))
 * ```
 */
export async function previewConfig(
  config: FinetuneConfig,
  { count = 3, skip = 0, validation = false, ...options }: PreviewOptions = {},
): Promise<Preview> {
  const { host, base, data, sampler, tokenizer } = await openInputs(config, options)
  using _host = host
  using _data = data
  base[Symbol.dispose]?.()
  sampler?.[Symbol.dispose]?.()
  const chosen = (validation ? data.validation : data.train).slice(skip, skip + count)
  return {
    // Each document of a pair is shown by itself.
    examples: chosen.flatMap((example) =>
      documentsOf(example).map(({ ids, labels }) =>
        previewOf({ ids, labels, source: example.source }, tokenizer.inner),
      ),
    ),
    report: data.report,
    notes: [...config.notes, ...data.report.notes],
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** Pieces of one character have no text by themselves. */
const BROKEN = '\ufffd'
/** The longest character of UTF-8 has four bytes, each of which can be a token. */
const LONGEST = 4

function previewOf({ ids, labels, source }: TokenizedExample, tokenizer: Tokenizer): PreviewExample {
  const tokens: PreviewToken[] = []
  for (let start = 0; start < ids.length;) {
    const trained = labels[start] !== IGNORE
    const special = tokenizer.specialIds.has(ids[start])
    let end = start + 1
    const joins = (at: number): boolean =>
      !special &&
      at < ids.length &&
      at - start < LONGEST &&
      (labels[at] !== IGNORE) === trained &&
      !tokenizer.specialIds.has(ids[at])
    let text = tokenizer.decode(ids.subarray(start, end))
    while (text.includes(BROKEN) && joins(end)) text = tokenizer.decode(ids.subarray(start, ++end))
    tokens.push({ text, ids: [...ids.subarray(start, end)], trained, special })
    start = end
  }
  const trained = labels.reduce((sum, label) => sum + (label === IGNORE ? 0 : 1), 0)
  return { file: source.file, line: source.line, tokens, count: ids.length, trained }
}
