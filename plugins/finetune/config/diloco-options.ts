/**
 * What stands under `diloco:`: processes that make steps of their own and meet in the mean.
 */
import * as v from 'valibot'
import { decimal, flag, integer, nullable, oneOf, optional } from '../../../core/contracts/config-fields.ts'
import type { Field } from '../../../core/contracts/config-fields.ts'
import type { ConfigFailure } from '../../../core/contracts/config.ts'
import { TrituneError } from '../../../core/mod.ts'
import { CODEC_NAMES, type CodecOptions, createCompressor, type ExchangeWay } from '../../vsa-optim/mod.ts'
import type { Nullable } from './input-forms.ts'

/** Steps of their own, as checked. */
export interface DilocoOptions {
  /** Steps of a round. */
  readonly every: number
  readonly codec: CodecOptions['codec']
  /** Of the codec; null: its default. */
  readonly block: number | null
  readonly ratio: number | null
  readonly rank: number | null
  /** How messages go: each to all, or by way of the process that owns a tensor; `auto`: the second one above 4 processes. */
  readonly exchange: ExchangeWay
  /** Of the mean of where all went, how much is taken. */
  readonly rate: number
  /** Nesterov's, over the rounds. */
  readonly momentum: number
  /** What the first process does when the others are gone; they end in any case. */
  readonly when_cut: 'stop' | 'go_on'
  /** A checkpoint of another number of processes is taken. */
  readonly allow_other_workers: boolean
}

export type DilocoInput = Nullable<DilocoOptions>

export const dilocoOptions: Field<DilocoOptions, DilocoInput> = v.strictObject(
  {
    every: optional(integer({ min: 1 }), 5),
    codec: optional(oneOf(CODEC_NAMES), 'ternary'),
    block: nullable(integer({ min: 1 })),
    ratio: nullable(decimal({ above: 0, max: 1 })),
    rank: nullable(integer({ min: 1 })),
    exchange: optional(oneOf(['auto', 'gather', 'two-hop']), 'auto'),
    rate: optional(decimal({ above: 0 }), 1),
    momentum: optional(decimal({ min: 0, below: 1 }), 0),
    when_cut: optional(oneOf(['stop', 'go_on']), 'stop'),
    allow_other_workers: optional(flag(), false),
  },
  'expected a mapping such as { every: 5, codec: ternary }',
)

/** Which codec, without what is not given. */
export function codecOf({ codec, block, ratio, rank }: DilocoOptions): CodecOptions {
  return {
    codec,
    ...(block !== null && { block }),
    ...(ratio !== null && { ratio }),
    ...(rank !== null && { rank }),
  }
}

/** What the codec refuses. */
export function dilocoFailures({
  diloco,
}: {
  readonly diloco: DilocoOptions | null
}): ConfigFailure | undefined {
  if (diloco === null) return undefined
  try {
    createCompressor(codecOf(diloco), LARGE)
    return undefined
  } catch (error) {
    if (!(error instanceof TrituneError)) throw error
    const { what, remedy } = error
    return { path: ['diloco'], what, ...(remedy !== undefined && { remedy }) }
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** Whether a tensor is large enough is another question. */
const LARGE = [4096, 4096]
