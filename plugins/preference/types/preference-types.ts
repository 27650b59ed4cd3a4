/**
 * The dataset types of preferences by name: axolotl's, and trl's plain records.
 */
import type { Capabilities, DatasetRecipe } from '../../../core/mod.ts'
import { OTHER_TYPES } from './other-types.ts'
import { plainPreference } from './plain-type.ts'
import { STYLED_TYPES } from './styled-types.ts'
import { TEMPLATE_TYPES } from './template-types.ts'

type Types = Readonly<Record<string, Capabilities['dataset']>>

const TYPES: Types = {
  preference: plainPreference,
  'passthrough.default': plainPreference,
  ...STYLED_TYPES,
  chatml: STYLED_TYPES['chatml.default'],
  llama3: STYLED_TYPES['llama3.default'],
  ...TEMPLATE_TYPES,
  ...OTHER_TYPES,
}

/** Count the version up whenever the same record would give other tokens or labels. */
const RECIPE: DatasetRecipe = { module: import.meta.url, name: 'PREFERENCE_TYPES', version: 1 }

/** The types by the names that `type:` takes. */
export const PREFERENCE_TYPES: Types = Object.fromEntries(
  Object.entries(TYPES).map(([name, type]) => [name, { ...type, recipe: RECIPE }]),
)
