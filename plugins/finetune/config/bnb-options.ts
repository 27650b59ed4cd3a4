/**
 * 4-bit and 8-bit bases as axolotl's files ask for them: `adapter: qlora`, `load_in_4bit`, `load_in_8bit`, `bnb_config_kwargs` → the
 * quantizer of the run. axolotl's defaults: nf4 with double quantization, and a threshold of 6 for the outlier columns of int8.
 */
import * as v from 'valibot'
import { decimal, flag, listOf, nullable, oneOf, text } from '../../../core/contracts/config-fields.ts'
import type { Field } from '../../../core/contracts/config-fields.ts'
import type { ConfigFailure } from '../../../core/contracts/config.ts'
import { INT8_THRESHOLD } from '../../qlora/mod.ts'
import type { Nullable } from './input-forms.ts'
import type { BnbOptions } from './finetune-options.ts'
import type { Named } from './named.ts'

export const bnbOptions: Field<BnbOptions, Nullable<BnbOptions>> = v.strictObject(
  {
    bnb_4bit_quant_type: nullable(oneOf(['nf4', 'fp4'])),
    bnb_4bit_use_double_quant: nullable(flag()),
    bnb_4bit_compute_dtype: nullable(oneOf(['bfloat16', 'float16', 'float32'])),
    bnb_4bit_quant_storage: nullable(text('the name of a dtype')),
    llm_int8_threshold: nullable(decimal({ min: 0 })),
    llm_int8_skip_modules: nullable(listOf(text('the name of a module'), 'a list of module names')),
    llm_int8_enable_fp32_cpu_offload: nullable(flag()),
    llm_int8_has_fp16_weight: nullable(flag()),
    load_in_4bit: nullable(flag()),
    load_in_8bit: nullable(flag()),
  },
  'expected a mapping such as { bnb_4bit_quant_type: nf4 }',
)

const NONE: BnbOptions = {
  bnb_4bit_quant_type: null,
  bnb_4bit_use_double_quant: null,
  bnb_4bit_compute_dtype: null,
  bnb_4bit_quant_storage: null,
  llm_int8_threshold: null,
  llm_int8_skip_modules: null,
  llm_int8_enable_fp32_cpu_offload: null,
  llm_int8_has_fp16_weight: null,
  load_in_4bit: null,
  load_in_8bit: null,
}

/** The keys that decide. */
export interface BnbKeys {
  readonly adapter: string | null
  readonly quantizer: Named | null
  readonly load_in_4bit: boolean
  readonly load_in_8bit: boolean
  readonly bnb_config_kwargs: BnbOptions | null
}

/** The quantizer that the keys stand for; null: none. */
export function quantizerOf({ quantizer, bnb_config_kwargs, ...keys }: BnbKeys): Named | null {
  const bnb = bnb_config_kwargs ?? NONE
  if (quantizer !== null) return quantizer
  if (keys.load_in_8bit)
    return { name: 'int8', options: { threshold: bnb.llm_int8_threshold ?? INT8_THRESHOLD } }
  if (!keys.load_in_4bit && keys.adapter !== 'qlora') return null
  return {
    name: bnb.bnb_4bit_quant_type ?? 'nf4',
    options: { double_quant: bnb.bnb_4bit_use_double_quant ?? true },
  }
}

/** What does not go together. */
export function bnbFailures(keys: BnbKeys): readonly ConfigFailure[] {
  const { adapter, quantizer, load_in_4bit, load_in_8bit } = keys
  const bnb = keys.bnb_config_kwargs ?? NONE
  const failures: ConfigFailure[] = []
  const asked = load_in_4bit ? 'load_in_4bit' : load_in_8bit ? 'load_in_8bit' : null
  if (load_in_4bit && load_in_8bit)
    failures.push({ path: ['load_in_8bit'], what: 'give either load_in_4bit or load_in_8bit, not both' })
  else if (adapter === 'qlora' && load_in_8bit)
    failures.push({
      path: ['load_in_8bit'],
      what: 'qlora is LoRA on 4 bits; for 8 bits write adapter: lora',
    })
  if (asked !== null && (adapter === null || adapter === 'none'))
    failures.push({
      path: [asked],
      what: 'packed weights cannot be trained, and without an adapter all are',
      remedy: 'set adapter: qlora (4 bits) or adapter: lora',
    })
  if (asked !== null && quantizer !== null)
    failures.push({ path: ['quantizer'], what: `give either quantizer or ${asked}, not both` })
  if (bnb.llm_int8_has_fp16_weight === true)
    failures.push({
      path: ['bnb_config_kwargs', 'llm_int8_has_fp16_weight'],
      what: 'not supported (weights in both forms); leave it out',
    })
  return failures
}

/** What is left aside. */
export function bnbNotes(keys: BnbKeys): string[] {
  const bnb = keys.bnb_config_kwargs ?? NONE
  const given = Object.entries(bnb).flatMap(([key, value]) => (value === null ? [] : [key]))
  if (given.length > 0 && quantizerOf(keys) === null)
    return ['bnb_config_kwargs is ignored: neither load_in_4bit nor load_in_8bit is true']
  return bnb.llm_int8_enable_fp32_cpu_offload === true
    ? ['bnb_config_kwargs.llm_int8_enable_fp32_cpu_offload is ignored: one process, one device']
    : []
}

/** What `bf16: auto` becomes. */
export function bf16Of(bf16: 'auto' | boolean, keys: BnbKeys): 'auto' | boolean {
  const compute = (keys.bnb_config_kwargs ?? NONE).bnb_4bit_compute_dtype
  if (bf16 !== 'auto' || compute === null || quantizerOf(keys) === null) return bf16
  return compute !== 'float32'
}
