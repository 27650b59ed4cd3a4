/**
 * The form that an answer has to have: JSON of a schema, or the call of a tool.
 */
import { type JsonSchema, TrituneError } from '../../../core/mod.ts'
import type { TokenConstraint } from '../../generate/mod.ts'
import type { ServedVoice } from '../model/served-model.ts'
import type { Serving } from '../model/serving.ts'
import { forcedSchema } from '../tools/forced-call.ts'
import type { ToolUse } from '../tools/tool-use.ts'

/** What a request says of the form. */
export interface WantedForm {
  /** null: any text. */
  readonly schema: JsonSchema | null
  /** The field that says so, for errors. */
  readonly place: string
  readonly use: ToolUse | null
}

/** The rules of each text; null: there are none. Throws E_CONFIG for a schema that cannot be followed, E_UNSUPPORTED for one beside tools. */
export function constraintOf(
  { constraints }: Serving,
  { tokenizer }: ServedVoice,
  { schema, place, use }: WantedForm,
): (() => TokenConstraint) | null {
  if (schema !== null && use !== null)
    throw new TrituneError('E_UNSUPPORTED', 'JSON of a schema and calls of tools exclude each other', {
      place,
      remedy: 'leave one out, or set tool_choice to none',
    })
  if (use?.forced) return constraints.of(forcedSchema(use.format, use.forced), tokenizer)
  return schema === null ? null : constraints.of(schema, tokenizer)
}
