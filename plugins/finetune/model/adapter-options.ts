/**
 * The options of an adapter from the keys of a run's file: `adapter_options`, and the keys of LoRA that other methods know by names of
 * their own.
 *
 * `lora_r: 16` means the rank of whatever has one. What `adapter_options` says goes first; a key that the method has no field for is
 * refused, so that none is left aside in silence.
 */
import { ConfigError, type ValidatableConfig } from '../../../core/mod.ts'
import { failuresAtKey } from '../config/at-key.ts'
import type { FinetuneConfig } from '../config/config.ts'

interface Definition<O> {
  readonly name: string
  readonly options: ValidatableConfig<O>
}

/**
 * `total_step` of a method that has it is the number of steps of the run, unless the file says another: before the run is planned, `max_steps`
 * or any. Throws a ConfigError that names the key of the file.
 */
export function adapterOptions<O>(
  { name, options }: Definition<O>,
  config: FinetuneConfig,
  totalSteps: number = config.max_steps ?? Number.MAX_SAFE_INTEGER,
): O {
  const fields = fieldsOf(options)
  const own = config.adapter_options
  const meant = new Map<string, string>()
  const given: Record<string, unknown> = fields.includes('total_step') ? { total_step: totalSteps } : {}
  for (const [key, names] of Object.entries(SHARED)) {
    if (!config.given.includes(key)) continue
    const candidates = [...names, ...(key === 'lora_dropout' ? [`${name}_dropout`] : [])]
    if (candidates.some((one) => Object.hasOwn(own, one))) continue
    const field = candidates.find((one) => fields.includes(one))
    if (field === undefined) throw notThere(key, name, fields)
    given[field] = config[key as keyof FinetuneConfig]
    meant.set(field, key)
  }
  try {
    return options.validate({ ...given, ...own })
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    throw new ConfigError(
      error.failures.flatMap((failure) => {
        const key = meant.get(String(failure.path[0]))
        return key === undefined
          ? failuresAtKey(['adapter_options'], new ConfigError([failure]))
          : [{ ...failure, path: [key, ...failure.path.slice(1)] }]
      }),
    )
  }
}

/** What the file says of the options of an adapter that is not LoRA, under the keys that it uses. */
export function givenOptions(config: FinetuneConfig): Readonly<Record<string, unknown>> {
  const shared = Object.keys(SHARED).filter((key) => config.given.includes(key))
  return {
    ...Object.fromEntries(shared.map((key) => [key, config[key as keyof FinetuneConfig]])),
    ...config.adapter_options,
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** The keys, and the fields that they stand for: the first that the method has. */
const SHARED = {
  lora_r: ['r', 'rank', 'init_r'],
  lora_alpha: ['alpha', 'lora_alpha'],
  lora_dropout: ['dropout', 'lora_dropout'],
  lora_rank_pattern: ['rank_pattern'],
  lora_alpha_pattern: ['alpha_pattern'],
} as const satisfies { readonly [K in keyof FinetuneConfig]?: readonly string[] }

function fieldsOf({ schema }: ValidatableConfig<unknown>): readonly string[] {
  const entries: unknown = Reflect.get(schema, 'entries')
  return typeof entries === 'object' && entries !== null ? Object.keys(entries) : []
}

function notThere(key: string, adapter: string, fields: readonly string[]): ConfigError {
  const own = fields.length > 0 ? `: ${fields.join(', ')}` : ''
  return new ConfigError([
    {
      path: [key],
      what: `${adapter} has no such option`,
      remedy: `leave it out; the options of ${adapter} go under adapter_options${own}`,
    },
  ])
}
