/**
 * The contract of a dataset type: `datasetContract(definition, { rows })` gives its checks.
 */
import type { DataRecord, DatasetContext, DatasetDefinition, TokenizedExample } from '../core/mod.ts'
import { IGNORE } from '../plugins/data/mod.ts'
import { BOS, BYTE_VOCABULARY, byteTokenizer, decodeBytes, EOS } from './byte-tokenizer.ts'
import { check, type ContractCheck, expectKept, refusal, textOf } from './check.ts'
import { type OptionInput, optionChecks, type OptionsToTry } from './contract-options.ts'

/** A record, and what must become of it. */
export interface DatasetRow {
  /** A record as it stands in a file. */
  readonly row: Readonly<Record<string, unknown>>
  /** The document that it becomes; `<s>` and `</s>` for BOS and EOS. One token a byte, BOS at the start of a text. */
  readonly text: string
  /** The parts of it that are trained, in their order; `[]`: none. */
  readonly trained: readonly string[]
}

/** Options of `datasetContract()`: the records that it is tried with. */
export interface DatasetContractOptions extends OptionsToTry {
  readonly rows: readonly DatasetRow[]
  /** Records that must be refused with the line they stand in; `says`: a word of the message. */
  readonly wrongRows?: readonly { readonly row: Readonly<Record<string, unknown>>; readonly says?: string }[]
  readonly trainOnInputs?: boolean
  /** What the type is given besides: for the types that are built in. */
  readonly context?: Readonly<Record<string, unknown>>
}

/**
 * Checks of what a dataset type promises. Nothing runs before a check is run.
 *
 * @example
 * ```ts
 * import { completion } from 'tritune/plugins/data'
 * import { datasetContract, runContract } from 'tritune/testing'
 *
 * const rows = [{ row: { text: 'Call me' }, text: '<s>Call me</s>', trained: ['<s>Call me</s>'] }]
 * const context = { options: { field: 'text' }, eotTokens: null }
 * const { failed } = await runContract(datasetContract(completion, { rows, context }))
 * console.log(failed.length) // → 0
 * ```
 */
export function datasetContract(
  definition: DatasetDefinition,
  options: DatasetContractOptions,
): ContractCheck[] {
  const { rows, wrongRows = [], trainOnInputs = false, context = {} } = options
  const { name } = definition
  const tokenize = `tokenize() of ${name}`
  const type: { tokenize(record: DataRecord, context: DatasetContext): TokenizedExample } = definition
  const contextOf = (input: OptionInput, special = true): DatasetContext => ({
    tokenizer: byteTokenizer({ special }),
    typeOptions: definition.options?.validate(input) ?? {},
    trainOnInputs,
    note() {},
    ...context,
  })
  const made = (row: DatasetRow['row'], line: number, special = true): TokenizedExample =>
    type.tokenize(recordOf(row, line), contextOf(options.options ?? {}, special))
  return [
    ...(definition.options ? optionChecks({ name, options: definition.options }, options) : []),
    ...rows.flatMap(({ row, text, trained }, i) => [
      check(`${name}: row ${i + 1} becomes its document`, () => {
        const { ids, labels, source } = made(row, i + 1)
        expectKept(ids instanceof Int32Array && labels instanceof Int32Array, () => ({
          expected: 'ids and labels are Int32Array',
          got: `${textOf(ids)}, ${textOf(labels)}`,
          lookAt: tokenize,
        }))
        const strange = ids.find((id) => id < 0 || id >= BYTE_VOCABULARY)
        expectKept(strange === undefined, () => ({
          expected: 'ids that the tokenizer gave',
          got: String(strange),
          lookAt: tokenize,
        }))
        const got = decodeBytes([...ids])
        expectKept(got === text, () => ({
          expected: JSON.stringify(text),
          got: JSON.stringify(got),
          lookAt: `${tokenize}: the order of the parts; addSpecialTokens at the start of the text only; tokenizer.eosId at its end`,
        }))
        expectKept(source.line === i + 1 && source.file === FILE, () => ({
          expected: `source: ${FILE}:${i + 1}, as the record has it`,
          got: textOf(source),
          lookAt: `${tokenize}: pass record.source on`,
        }))
      }),
      check(`${name}: row ${i + 1} trains what it should`, () => {
        const { ids, labels } = made(row, i + 1)
        expectKept(ids.length === labels.length, () => ({
          expected: `${ids.length} labels, one for each id`,
          got: String(labels.length),
          lookAt: tokenize,
        }))
        const wrong = labels.findIndex((label, at) => label !== IGNORE && label !== ids[at])
        expectKept(wrong < 0, () => ({
          expected: `a label is the id at its place, or ${IGNORE}; not shifted`,
          got: `${labels[wrong]} beside the id ${ids[wrong]} at [${wrong}]`,
          lookAt: `${tokenize}: the trainer shifts labels, a dataset type does not`,
        }))
        const got = textOf(trainedParts(ids, labels))
        expectKept(got === textOf(trained), () => ({
          expected: `trained: ${textOf(trained)}`,
          got,
          lookAt: `${tokenize}: ${IGNORE} for the prompt; EOS is trained where the model should learn to stop`,
        }))
      }),
    ]),
    ...wrongRows.map(({ row, says }, i) =>
      check(`${name}: the row ${textOf(row)} is refused with its line`, () => {
        const line = rows.length + i + 1
        const { code, message } = refusal(`the row ${textOf(row)}`, () => made(row, line), tokenize)
        const isClear = code === 'E_DATA' && message.includes(`${FILE}:${line}`)
        expectKept(isClear && (says === undefined || message.includes(says)), () => ({
          expected: `E_DATA that names ${FILE}:${line}${says === undefined ? '' : ` and says "${says}"`}`,
          got: `${code}: ${message}`,
          lookAt: `${tokenize}: new TrituneError('E_DATA', what, { place: \`\${source.file}:\${source.line}\` })`,
        }))
      }),
    ),
    check(`${name}: the same row gives the same document, and is left as it was`, () => {
      for (const [i, { row }] of rows.entries()) {
        const [one, other] = [made(row, i + 1), made(row, i + 1)].map(({ ids, labels }) =>
          textOf([[...ids], [...labels]]),
        )
        expectKept(one === other, () => ({
          expected: one,
          got: other,
          lookAt: `${tokenize}: it keeps nothing`,
        }))
      }
    }),
    check(`${name}: a tokenizer without BOS and EOS is used, or refused with a reason`, () => {
      const bare = (text: string): string => text.replaceAll(BOS, '').replaceAll(EOS, '')
      for (const [i, { row, text }] of rows.entries()) {
        const ids = idsOrRefusal(() => made(row, i + 1, false), tokenize)
        if (ids === null) continue
        const got = bare(decodeBytes([...ids]))
        expectKept(got === bare(text), () => ({
          expected: JSON.stringify(bare(text)),
          got: JSON.stringify(got),
          lookAt: `${tokenize}: eosId and bosId may be null, which is id 0 in an Int32Array`,
        }))
      }
    }),
  ]
}

// ---- helpers ----------------------------------------------------------------------------------------------------

const FILE = 'rows.jsonl'

/** Frozen: a type changes no record. */
function recordOf(row: Readonly<Record<string, unknown>>, line: number): DataRecord {
  const json = JSON.stringify(row)
  return Object.freeze({ value: frozen(JSON.parse(json)), source: Object.freeze({ file: FILE, line }), json })
}

function frozen<T>(value: T): T {
  if (typeof value === 'object' && value !== null) {
    for (const inner of Object.values(value)) frozen(inner)
    Object.freeze(value)
  }
  return value
}

/** Stretches of trained tokens, as text. */
function trainedParts(ids: Int32Array, labels: Int32Array): string[] {
  const parts: string[] = []
  let current: number[] = []
  for (const [i, id] of ids.entries()) {
    if (labels[i] !== IGNORE) current.push(id)
    else if (current.length > 0) {
      parts.push(decodeBytes(current))
      current = []
    }
  }
  return current.length > 0 ? [...parts, decodeBytes(current)] : parts
}

/** null when the type refuses with a code. */
function idsOrRefusal(work: () => TokenizedExample, lookAt: string): Int32Array | null {
  let ids: Int32Array | null = null
  try {
    ;({ ids } = work())
  } catch (error) {
    refusal(
      'a tokenizer without EOS',
      () => {
        throw error
      },
      lookAt,
    )
  }
  return ids
}
