/**
 * The dataset types of preferences by name: axolotl's, and trl's plain records.
 */
import type { Capabilities } from '../../../core/mod.ts'
import { OTHER_TYPES } from './other-types.ts'
import { plainPreference } from './plain-type.ts'
import { STYLED_TYPES } from './styled-types.ts'
import { TEMPLATE_TYPES } from './template-types.ts'

/** The types by the names that `type:` takes. */
export const PREFERENCE_TYPES: Readonly<Record<string, Capabilities['dataset']>> = {
  preference: plainPreference,
  'passthrough.default': plainPreference,
  ...STYLED_TYPES,
  chatml: STYLED_TYPES['chatml.default'],
  llama3: STYLED_TYPES['llama3.default'],
  ...TEMPLATE_TYPES,
  ...OTHER_TYPES,
}
