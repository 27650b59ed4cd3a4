/**
 * Fields of adapter_config.json that are not known: PEFT warns and drops them, since they come from a newer version or from another tool. What
 * is known and would give another model is refused where the fields of a method are read.
 */
import type { AnyAdapterDefinition } from '../../../core/mod.ts'
import { NAME_KEY, OPTIONS_KEY } from '../attach/attach.ts'

type Fields = Readonly<Record<string, unknown>>

/** What can be done about a field that changes what an adapter computes, and is not here. */
export const OTHER_MATHS = 'use it with PEFT, or train the adapter without that'

/** The names of fields that say something and are no fields of this method, sorted. */
export function unknownFields({ peft }: AnyAdapterDefinition, config: Fields): string[] {
  if (!peft?.fields || typeof config[NAME_KEY] === 'string') return []
  const known = new Set([...EVERYWHERE, ...peft.fields])
  return Object.keys(config)
    .filter((key) => !known.has(key) && saysSomething(config[key]))
    .toSorted()
}

/** The fields without those. */
export function withoutFields(config: Fields, names: readonly string[]): Fields {
  return Object.fromEntries(Object.entries(config).filter(([key]) => !names.includes(key)))
}

/** For whoever loads the adapter. */
export function unknownFieldsNote(place: string, names: readonly string[], { peft_version }: Fields): string {
  const writer = typeof peft_version === 'string' ? ` (written by PEFT ${peft_version})` : ''
  return `${place}: left out, since not known here: ${names.join(', ')}${writer}`
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** What PEFT has for every method, and what is trained beside one. */
const EVERYWHERE: readonly string[] = [
  'auto_mapping',
  'base_model_name_or_path',
  'bias',
  'ensure_weight_tying',
  'exclude_modules',
  'fan_in_fan_out',
  'inference_mode',
  'layers_pattern',
  'layers_to_transform',
  'modules_to_save',
  'peft_type',
  'peft_version',
  'revision',
  'runtime_config',
  'target_modules',
  'task_type',
  'trainable_token_indices',
  NAME_KEY,
  OPTIONS_KEY,
]

/** A field at null, false or empty says nothing in any version. */
function saysSomething(value: unknown): boolean {
  if (value === null || value === undefined || value === false || value === '') return false
  return typeof value !== 'object' || Object.keys(value).length > 0
}
