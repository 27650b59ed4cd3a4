/**
 * The rewards that are built in, by name.
 */
import { exactMatch } from './exact-match.ts'
import { format } from './format.ts'
import { jsonSchema } from './json-schema.ts'
import { length } from './length.ts'
import { numericMatch } from './numeric-match.ts'
import type { RewardDefinition } from './reward.ts'
import { toolCalls } from './tool-calls.ts'

/** By the name that `reward_funcs` gives; the type of the options is that of each. */
export const BUILT_IN_REWARDS: ReadonlyMap<string, RewardDefinition> = new Map(
  [format, jsonSchema, exactMatch, numericMatch, length, toolCalls].map((one) => [one.name, one]),
)
