/** Names of dataset types → the types: the built-in ones, and those of plugins. */
import { ConfigError } from '../../../core/contracts/config.ts'
import type { DatasetDefinition, ExampleKind } from '../../../core/contracts/dataset.ts'
import type { ConfigPath } from '../../../core/contracts/config.ts'
import { didYouMean, TrituneError } from '../../../core/errors.ts'
import { alpaca } from './alpaca.ts'
import { chatTemplate } from '../chat/chat-template.ts'
import { completion } from './completion.ts'
import type { DatasetOptions } from '../options/dataset-options.ts'
import {
  type DatasetTypeName,
  PROMPT_TYPE_NAMES,
  type UserDefinedPreference,
  type UserDefinedType,
} from '../options/dataset-words.ts'
import { isPromptType, PROMPT_TYPES } from './prompt-types.ts'
import type { DatasetType } from './dataset-type.ts'
import { inputOutput } from './input-output.ts'
import { prompt } from './prompt.ts'
import { sharegpt } from './sharegpt.ts'
import { tokenized } from './tokenized.ts'
import { userDefined } from './user-defined.ts'

const TYPES: { readonly [N in DatasetTypeName]: DatasetType } = {
  alpaca,
  completion,
  chat_template: chatTemplate,
  sharegpt,
  input_output: inputOutput,
  tokenized,
  prompt,
}

const UNTRAINED: Readonly<Record<string, string>> = {
  alpaca: 'the output is empty',
  user_defined: 'the output is empty',
  completion: 'the text is empty or one token',
  chat_template: 'no turn of roles_to_train has content',
  sharegpt: 'no turn of roles_to_train has content',
  input_output: 'no segment after the first token has label: true',
}

/** Why an example of this type can have nothing to learn. */
export function untrainedReason({ name }: Pick<DatasetType, 'name'>): string {
  if (isPromptType(name)) return 'the answer is empty'
  return Object.hasOwn(UNTRAINED, name) ? UNTRAINED[name] : 'every label is -100'
}

/** Types that plugins provide, by name. */
export type DatasetTypes = Readonly<Record<string, DatasetDefinition>>

/** Makes a type of what a file says, its options checked. E_CONFIG with a path from the dataset entry. */
export function datasetTypeOf(
  { type, type_options }: DatasetOptions,
  more: DatasetTypes = {},
  kind: ExampleKind = 'document',
): FoundType {
  if (typeof type !== 'string') return byMapping(type, more, kind)
  const found = typeByName({ type, type_options }, more, kind)
  expectKind(found.type, more, kind)
  return found
}

/** A type that was found, and its options, checked. */
export interface FoundType {
  readonly type: DatasetType
  readonly typeOptions: unknown
  readonly isBuiltIn: boolean
}

/** Whether other threads can make its examples too, and whether these may be kept for other runs. */
export function isKeepable({ isBuiltIn, type }: FoundType): boolean {
  return isBuiltIn || type.recipe !== undefined
}

/** What a mapping without a name is, in training from preferences. */
const OWN_PREFERENCES = 'user_defined.default'
/** What an entry without a type is, in training from preferences. */
const PLAIN_PREFERENCES = 'preference'

function byMapping(
  options: UserDefinedType | UserDefinedPreference,
  more: DatasetTypes,
  kind: ExampleKind,
): FoundType {
  const isOfPreferences = 'prompt_format' in options
  if (kind === 'document' && !isOfPreferences)
    return { type: userDefined(options), typeOptions: {}, isBuiltIn: true }
  const found = isOfPreferences && kind !== 'document' ? more[OWN_PREFERENCES] : undefined
  if (found?.options) return { type: found, typeOptions: found.options.validate(options), isBuiltIn: false }
  throw new ConfigError([
    isOfPreferences
      ? {
          path: ['type'],
          what: 'the mapping is one of preferences, which are trained with rl',
          remedy: SET_RL,
        }
      : {
          path: ['type'],
          what: `the mapping makes single documents, and the objective takes ${KINDS[kind]}`,
          remedy: 'give prompt_format and field_chosen, field_rejected, or field_completion, field_label',
        },
  ])
}

const SET_RL = 'set rl: dpo, orpo, simpo or kto: docs/preferences.md'

const KINDS: Readonly<Record<ExampleKind, string>> = {
  document: 'single documents',
  pair: 'pairs of answers',
  labelled: 'answers with labels',
}

/** E_CONFIG when the examples of a type are not what the objective takes. */
function expectKind(
  { name, makes = ['document'] }: DatasetType,
  more: DatasetTypes,
  kind: ExampleKind,
): void {
  if (makes.includes(kind)) return
  const others = Object.entries(more).flatMap(([other, type]) => (type.makes?.includes(kind) ? [other] : []))
  throw new ConfigError([
    {
      path: ['type'],
      what: `type: ${name} makes ${makes.map((one) => KINDS[one]).join(' or ')}, and the objective takes ${KINDS[kind]}`,
      remedy: kind === 'document' ? SET_RL : `use one of ${others.join(', ')}`,
    },
  ])
}

function typeByName(
  { type, type_options }: { readonly type: string; readonly type_options: DatasetOptions['type_options'] },
  more: DatasetTypes,
  kind: ExampleKind,
): FoundType {
  if (kind !== 'document' && type === 'tokenized' && Object.hasOwn(more, PLAIN_PREFERENCES))
    return { type: more[PLAIN_PREFERENCES], typeOptions: {}, isBuiltIn: false }
  const builtIn = builtInType(type)
  const found: DatasetType | undefined = builtIn ?? (Object.hasOwn(more, type) ? more[type] : undefined)
  if (!found) {
    const names = [...Object.keys(TYPES), ...PROMPT_TYPE_NAMES, ...Object.keys(more)]
    throw new ConfigError([
      {
        path: ['type'],
        what: `there is no dataset type "${type}"; ${didYouMean(type, names)}`,
        remedy: 'a type of your own comes from a module under plugins:',
      },
    ])
  }
  if (found.options)
    return {
      type: found,
      typeOptions: under('type_options', () => found.options?.validate(type_options)),
      isBuiltIn: false,
    }
  if (Object.keys(type_options).length > 0)
    throw new ConfigError([{ path: ['type_options'], what: `the dataset type ${type} has no options` }])
  return { type: found, typeOptions: {}, isBuiltIn: builtIn !== undefined }
}

function builtInType(name: string): DatasetType | undefined {
  if (isPromptType(name)) return PROMPT_TYPES[name]
  return isTypeName(name) ? TYPES[name] : undefined
}

function isTypeName(name: string): name is DatasetTypeName {
  return Object.hasOwn(TYPES, name)
}

/** Makes an error of the key at `path` of it; one that names a line of the data stays as it is. */
export function atKey<T>(path: ConfigPath, work: () => T): T {
  try {
    return work()
  } catch (error) {
    if (error instanceof ConfigError || !(error instanceof TrituneError)) throw error
    const { code, remedy, place } = error
    const [what] = error.message.split('\n')
    const said = place === undefined ? '' : `${place}: `
    throw new ConfigError([
      { path, code, remedy, what: what.startsWith(said) ? what.slice(said.length) : what },
    ])
  }
}

/** Says under which keys the options stand that are refused. */
export function under<T>(key: string | number, work: () => T, ...more: readonly (string | number)[]): T {
  try {
    return work()
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    throw new ConfigError(
      error.failures.map((failure) => ({ ...failure, path: [key, ...more, ...failure.path] })),
    )
  }
}
