/**
 * `type: input_output`: {segments: [{label, text}]} joined verbatim; segments with `label: true` are trained.
 *
 * No template, no BOS, no EOS: whatever the model shall see and learn stands in the segments.
 */
import { showValue } from '../../../core/contracts/config.ts'
import { IGNORE, recordError } from './dataset-type.ts'
import type { DatasetType } from './dataset-type.ts'

/**
 * The dataset type `input_output`: records `{ segments: [{ label, text }] }` joined as they are; segments with `label:
 * true` are trained.
 */
export const inputOutput: DatasetType = {
  name: 'input_output',
  tokenize({ value, source }, { tokenizer, trainOnInputs }) {
    const { segments } = value
    if (!Array.isArray(segments)) {
      throw recordError(
        source,
        `expected "segments" to be a list of {label, text}, got ${showValue(segments)}`,
      )
    }
    const ids: number[] = []
    const labels: number[] = []
    segments.forEach((segment: unknown, index) => {
      if (!isSegment(segment)) {
        const got = showValue(segment)
        throw recordError(
          source,
          `expected segments[${index}] to be {label: true or false, text}, got ${got}`,
        )
      }
      const part = tokenizer.encode(segment.text, { addSpecialTokens: false })
      ids.push(...part)
      labels.push(...(segment.label || trainOnInputs ? part : part.map(() => IGNORE)))
    })
    return { ids: Int32Array.from(ids), labels: Int32Array.from(labels), source }
  },
}

interface Segment {
  readonly label: boolean
  readonly text: string
}

function isSegment(value: unknown): value is Segment {
  if (typeof value !== 'object' || value === null) return false
  return typeof Reflect.get(value, 'label') === 'boolean' && typeof Reflect.get(value, 'text') === 'string'
}
