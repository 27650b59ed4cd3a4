/**
 * Whether what `attachAdapter()` and `attachLora()` are told is of the right kind: programs without types may say anything. The options of the
 * method itself are checked by its own schema.
 */
import { defineConfig, listOf, mapOf, nullable, type ValidatableConfig } from '../../../core/mod.ts'
import * as v from 'valibot'

const WHOLE = 'expected a whole number'
const TEXT = 'expected a text'

const whole = v.pipe(v.number(WHOLE), v.safeInteger(WHOLE))
const names = listOf(v.string(TEXT), 'a list of texts')
const indices = listOf(v.pipe(whole, v.minValue(0, 'expected a number from 0')))
const patterns = v.lazy((input) =>
  Array.isArray(input) ? names : v.string('expected a text or a list of texts'),
)
const tokens = v.lazy((input) =>
  Array.isArray(input) ? listOf(whole) : mapOf(listOf(whole), 'token ids, or a mapping to them'),
)
const bias = v.pipe(
  v.string(TEXT),
  v.check(
    (value) => value === 'none' || value === 'all' || value.endsWith('_only'),
    'expected none, all or lora_only',
  ),
)
const call = v.optional(v.function('expected a function'))

const FIELDS = {
  targetModules: v.optional(patterns),
  excludeModules: nullable(patterns),
  layersToTransform: nullable(indices),
  layersPattern: nullable(patterns),
  modulesToSave: nullable(names),
  trainableTokenIndices: nullable(tokens),
  bias: v.optional(bias),
  ensureWeightTying: v.optional(v.boolean('expected true or false')),
  name: v.optional(v.string(TEXT)),
  seed: v.optional(whole),
}

/** Options of `attachAdapter()`. */
export const attachOptions: ValidatableConfig<unknown> = defineConfig<unknown>(
  v.strictObject(
    {
      ...FIELDS,
      encode: call,
      optionsFor: call,
      fields: v.optional(mapOf(v.unknown())),
    },
    'expected a mapping',
  ),
)

/** Options of `attachLora()` besides those of the LoRA. */
export const loraModelOptions: ValidatableConfig<unknown> = defineConfig<unknown>(
  v.strictObject(
    {
      ...FIELDS,
      targetParameters: nullable(names),
      targetModules: patterns,
      rankPattern: v.optional(mapOf(v.pipe(whole, v.minValue(1, 'expected a number from 1')))),
      alphaPattern: v.optional(
        mapOf(v.pipe(v.number('expected a number'), v.gtValue(0, 'expected a number above 0'))),
      ),
    },
    'expected a mapping',
  ),
)
