/**
 * `quantization_config` of a config.json: in which packed form the checkpoint holds the weights of linear layers. Reading only; the
 * weights are read by packed-weights.ts.
 */
import { showValue, TrituneError } from '../../core/mod.ts'
import { INT8_THRESHOLD } from './quantizers.ts'

/** How the linear weights of a checkpoint are stored. */
export type StoredQuantization =
  | { readonly method: 'bitsandbytes'; readonly threshold: number }
  | { readonly method: 'mxfp4' }
  | GroupedQuantization

/** GPTQ and AWQ: whole numbers with a scale and a zero for each group of inputs. */
export interface GroupedQuantization {
  readonly method: 'gptq' | 'awq'
  readonly bits: number
  /** Inputs that share a scale; −1: all of them. */
  readonly groupSize: number
  /** What is added to a stored zero: the first GPTQ format stores zero − 1. */
  readonly zeroOffset: 0 | 1
}

/**
 * What config.json says; null: the weights are plain. E_UNSUPPORTED for other methods, E_FORMAT for one that is not complete.
 * `place` is for errors.
 */
export function readStoredQuantization(
  config: Readonly<Record<string, unknown>>,
  place: string,
): StoredQuantization | null {
  const stored = config.quantization_config
  if (stored === undefined || stored === null) return null
  if (!isRecord(stored)) throw malformed(`it is ${showValue(stored)}`, place)
  const method = methodOf(stored)
  if (method === 'bitsandbytes') {
    if (stored.llm_int8_has_fp16_weight === true)
      throw unsupported('llm_int8_has_fp16_weight (weights in both forms)', place)
    return { method, threshold: numberOf(stored, 'llm_int8_threshold', INT8_THRESHOLD, place) }
  }
  if (method === 'mxfp4') return { method }
  if (method === 'gptq') return readGptq(stored, place)
  if (method === 'awq') return readAwq(stored, place)
  throw unsupported(`quant_method ${showValue(stored.quant_method)}`, place)
}

// ---- helpers ----------------------------------------------------------------------------------------------------

type Fields = Readonly<Record<string, unknown>>

/** Early files of bitsandbytes say no method. */
function methodOf(stored: Fields): unknown {
  if (stored.quant_method !== undefined) return stored.quant_method
  return stored.load_in_4bit === true || stored.load_in_8bit === true ? 'bitsandbytes' : undefined
}

function readGptq(stored: Fields, place: string): GroupedQuantization {
  const bits = numberOf(stored, 'bits', 4, place)
  if (![2, 4, 8].includes(bits)) throw unsupported(`GPTQ of ${bits} bits`, place)
  const format = stored.checkpoint_format ?? stored.format ?? 'gptq'
  if (format !== 'gptq' && format !== 'gptq_v2')
    throw unsupported(`the GPTQ format ${showValue(format)}`, place)
  return {
    method: 'gptq',
    bits,
    groupSize: groupSizeOf(stored, place),
    zeroOffset: format === 'gptq' ? 1 : 0,
  }
}

function readAwq(stored: Fields, place: string): GroupedQuantization {
  const bits = numberOf(stored, 'bits', numberOf(stored, 'w_bit', 4, place), place)
  if (bits !== 4) throw unsupported(`AWQ of ${bits} bits`, place)
  const version = String(stored.version ?? stored.format ?? 'gemm').toLowerCase()
  if (version !== 'gemm') throw unsupported(`the AWQ format ${version}`, place)
  if (stored.zero_point === false) throw unsupported('AWQ without zeros', place)
  return { method: 'awq', bits, groupSize: groupSizeOf(stored, place), zeroOffset: 0 }
}

function groupSizeOf(stored: Fields, place: string): number {
  const size = numberOf(stored, 'group_size', numberOf(stored, 'q_group_size', 128, place), place)
  if (size === -1 || (Number.isInteger(size) && size > 0)) return size
  throw malformed(`group_size is ${size}`, place)
}

function numberOf(stored: Fields, key: string, fallback: number, place: string): number {
  const value = stored[key] ?? fallback
  if (typeof value === 'number' && Number.isFinite(value)) return value
  throw malformed(`${key} is ${showValue(value)}, not a number`, place)
}

function unsupported(what: string, place: string): TrituneError {
  return new TrituneError('E_UNSUPPORTED', `quantized checkpoints: ${what} is not supported`, {
    place,
    remedy: 'use the plain checkpoint, or one by bitsandbytes, GPTQ or AWQ (gemm)',
  })
}

function malformed(what: string, place: string): TrituneError {
  return new TrituneError('E_FORMAT', `config.json: quantization_config: ${what}`, { place })
}

function isRecord(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
