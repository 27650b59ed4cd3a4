/** What becomes of a key: of a run's file, or of an entry of `datasets`. */
import type { Field } from '../../../../core/contracts/config-fields.ts'
import { datasetOptions } from '../../../data/mod.ts'
import { finetuneSchema } from '../finetune-schema.ts'
import {
  IGNORED_DATASET_KEYS,
  IGNORED_KEYS,
  RENAMED_KEYS,
  UNSUPPORTED_DATASET_KEYS,
  UNSUPPORTED_KEYS,
} from './axolotl-keys.ts'
import { READ_AS } from '../old-spellings.ts'

/** What becomes of a key. */
export type KeyEffect = 'works' | 'renamed' | 'no effect' | 'refused' | 'unknown'

/** By the schema first, then by the facts. */
export function keyEffect(name: string): KeyEffect {
  const names = READ_AS.file
  if (Object.hasOwn(RENAMED_KEYS, name) || names.includes(name)) return 'renamed'
  return effectOf(name, finetuneSchema, IGNORED_KEYS, UNSUPPORTED_KEYS)
}

/** As `keyEffect`, of a key in an entry of `datasets`. */
export function datasetKeyEffect(name: string): KeyEffect {
  if (READ_AS.dataset.includes(name)) return 'renamed'
  return effectOf(name, datasetOptions, IGNORED_DATASET_KEYS, UNSUPPORTED_DATASET_KEYS)
}

function effectOf(name: string, schema: Field<unknown>, ignored: object, refused: object): KeyEffect {
  if (Object.hasOwn(Object(Reflect.get(schema, 'entries')), name)) return 'works'
  if (Object.hasOwn(ignored, name)) return 'no effect'
  return Object.hasOwn(refused, name) ? 'refused' : 'unknown'
}
