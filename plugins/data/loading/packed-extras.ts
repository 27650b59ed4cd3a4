/**
 * What examples are besides tokens and labels (where their documents begin, numbers for the loss, why they have nothing to learn), packed into a
 * few arrays: for a file, and for the way from one thread to another.
 */
import { isPlain } from '../types/stored-example.ts'
import type { TokenizedExample } from '../types/dataset-type.ts'

/** What an example can have besides tokens and labels. */
export type Extras = Pick<TokenizedExample, 'documents' | 'values' | 'untrained'>

/** The extras of n examples. */
export interface PackedExtras {
  /** How many offsets each has (n; 0: it is one document), then all of them. */
  readonly documents: Int32Array<ArrayBuffer>
  /** (n) The number of its reason, −1 without one. */
  readonly untrained: Int32Array<ArrayBuffer>
  readonly reasons: readonly string[]
  /** (n · names), example after example; NaN where it has no such number. */
  readonly values: Float64Array<ArrayBuffer>
  readonly names: readonly string[]
}

/** null where no example has any. */
export function packExtras(examples: readonly TokenizedExample[]): PackedExtras | null {
  if (examples.every(isPlain)) return null
  const names = [...new Set(examples.flatMap(({ values }) => Object.keys(values ?? {})))]
  const reasons = [...new Set(examples.flatMap(({ untrained }) => untrained ?? []))]
  const number = new Map(reasons.map((reason, i) => [reason, i]))
  const offsets = examples.flatMap(({ documents }) => (documents ? [...documents] : []))
  return {
    documents: Int32Array.from([...examples.map(({ documents }) => documents?.length ?? 0), ...offsets]),
    untrained: Int32Array.from(examples, ({ untrained }) =>
      untrained === undefined ? -1 : (number.get(untrained) ?? -1),
    ),
    reasons,
    values: Float64Array.from(
      examples.flatMap(({ values }) => names.map((name) => values?.[name] ?? Number.NaN)),
    ),
    names,
  }
}

/** The extras of each example, in order. */
export function* unpackExtras({
  documents,
  untrained,
  reasons,
  values,
  names,
}: PackedExtras): Generator<Extras> {
  const count = untrained.length
  let at = count
  for (let i = 0; i < count; i++) {
    const length = documents[i]
    const numbers = names.flatMap((name, j): [string, number][] => {
      const value = values[i * names.length + j]
      return Number.isNaN(value) ? [] : [[name, value]]
    })
    yield {
      ...(length > 0 ? { documents: documents.slice(at, at + length) } : {}),
      ...(numbers.length > 0 ? { values: Object.fromEntries(numbers) } : {}),
      ...(untrained[i] >= 0 ? { untrained: reasons[untrained[i]] } : {}),
    }
    at += length
  }
}

/** The examples with their extras; those that have none stay as they are. */
export function withExtras(
  examples: readonly TokenizedExample[],
  packed: PackedExtras | null,
): readonly TokenizedExample[] {
  if (packed === null) return examples
  const each = unpackExtras(packed)
  return examples.map((example) => {
    const { value: extras } = each.next()
    if (!extras || isPlain({ ...example, ...extras })) return example
    const { ids, labels, source } = example
    return { ids, labels, source, ...extras }
  })
}
