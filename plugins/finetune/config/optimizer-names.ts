/**
 * The optimizers that are built in: what each name of axolotl and transformers is here, and which keys of a run it reads. Another name
 * may be that of a plugin's.
 */
import type { ProvidedOptimizer } from '../../optim/mod.ts'
import type { FinetuneOptions } from './finetune-options.ts'
import type { Named } from './named.ts'

/** Names of optimizers, as axolotl and transformers write them. */
export type OptimizerName =
  | 'adamw_torch'
  | 'adamw_torch_fused'
  | 'adamw'
  | 'paged_adamw'
  | 'paged_adamw_32bit'
  | 'adamw_apex_fused'
  | 'optimi_adamw'
  | 'adamw_8bit'
  | 'adamw_bnb_8bit'
  | 'paged_adamw_8bit'
  | 'adamw_torch_8bit'
  | 'adamw_torch_4bit'
  | 'ao_adamw_8bit'
  | 'ao_adamw_4bit'
  | 'ao_adamw_fp8'
  | 'lion'
  | 'lion_pytorch'
  | 'lion_32bit'
  | 'paged_lion'
  | 'paged_lion_32bit'
  | 'lion_8bit'
  | 'paged_lion_8bit'
  | 'adafactor'
  | 'muon'
  | 'schedule_free_adamw'
  | 'sgd'
  | 'rmsprop'
  | 'soap'

type Canonical = 'adamw' | 'adamw_8bit' | ProvidedOptimizer

const NAMES: Readonly<Record<OptimizerName, Canonical>> = {
  adamw_torch: 'adamw',
  adamw_torch_fused: 'adamw',
  adamw: 'adamw',
  paged_adamw: 'adamw',
  paged_adamw_32bit: 'adamw',
  adamw_apex_fused: 'adamw',
  optimi_adamw: 'adamw',
  adamw_8bit: 'adamw_8bit',
  adamw_bnb_8bit: 'adamw_8bit',
  paged_adamw_8bit: 'adamw_8bit',
  adamw_torch_8bit: 'adamw_8bit',
  adamw_torch_4bit: 'adamw_8bit',
  ao_adamw_8bit: 'adamw_8bit',
  ao_adamw_4bit: 'adamw_8bit',
  ao_adamw_fp8: 'adamw_8bit',
  lion: 'lion',
  lion_pytorch: 'lion',
  lion_32bit: 'lion',
  paged_lion: 'lion',
  paged_lion_32bit: 'lion',
  lion_8bit: 'lion_8bit',
  paged_lion_8bit: 'lion_8bit',
  adafactor: 'adafactor',
  muon: 'muon',
  schedule_free_adamw: 'schedule_free_adamw',
  sgd: 'sgd',
  rmsprop: 'rmsprop',
  soap: 'soap',
}

/** Name → what is trained with. */
export const OPTIMIZERS: Readonly<Record<string, Canonical>> = NAMES

/** What is otherwise than the name says; null: nothing. */
export function optimizerNote(name: string): string | null {
  const bits = /^(?:adamw_torch|ao_adamw)_(8bit|4bit|fp8)$/.exec(name)?.[1]
  if (bits === undefined) return null
  const told = {
    '8bit': 'torchao’s 8 bits',
    '4bit': '4 bits, which take half as much and are coarser',
    fp8: 'torchao’s fp8',
  }
  return `optimizer: ${name} keeps its moments in 8 bits as bitsandbytes does, in place of ${told[bits === '4bit' ? '4bit' : bits === 'fp8' ? 'fp8' : '8bit']}`
}

/** Whether its state is to lie in pages that can leave the memory. */
export function isPaged(name: string): boolean {
  return Object.hasOwn(OPTIMIZERS, name) && name.startsWith('paged_')
}

/** Options that come from keys of the run, where `optim_args` does not say them. */
export const KEYS_OF_OPTIONS: Readonly<Record<KeyedOption, keyof FinetuneOptions>> = {
  beta1: 'adam_beta1',
  beta2: 'adam_beta2',
  eps: 'adam_epsilon',
  warmup_steps: 'warmup_steps',
}

type KeyedOption = 'beta1' | 'beta2' | 'eps' | 'warmup_steps'
type FromKeys = readonly KeyedOption[]

const ADAM: FromKeys = ['beta1', 'beta2', 'eps']
const LION: FromKeys = ['beta1', 'beta2']

const READS: Readonly<Record<Canonical, FromKeys>> = {
  adamw: ADAM,
  adamw_8bit: ADAM,
  lion: LION,
  lion_8bit: LION,
  adafactor: [],
  muon: ADAM,
  schedule_free_adamw: [...ADAM, 'warmup_steps'],
  sgd: [],
  rmsprop: [],
  soap: ADAM,
}

/** Of the key `adam_beta2`. */
export const DEFAULT_BETA2 = 0.999

/** Whether `adam_beta2` is the decay of a second moment: of Lion it is that of the first. */
export function hasSecondMoment(name: string): boolean {
  return Object.hasOwn(OPTIMIZERS, name) && READS[OPTIMIZERS[name]].includes('eps')
}

/** The optimizer of a run with its options. */
export function optimizerOf(config: FinetuneOptions): Named {
  const { optimizer, optim_args } = config
  const reads: Readonly<Record<string, FromKeys>> = READS
  const fromKeys = Object.hasOwn(reads, optimizer) ? reads[optimizer] : []
  return {
    name: optimizer,
    options: {
      ...Object.fromEntries(fromKeys.map((name) => [name, config[KEYS_OF_OPTIONS[name]]])),
      ...optim_args,
    },
  }
}
