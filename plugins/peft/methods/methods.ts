/**
 * The methods that are built in, by the name that `adapter:` gives them. One file each; a plugin adds others in the same way.
 */
import { adalora } from './adalora.ts'
import { boft } from './boft.ts'
import { dora } from './dora.ts'
import { ia3 } from './ia3.ts'
import { loha } from './loha.ts'
import { lokr } from './lokr.ts'
import { lora } from './lora.ts'
import { miss } from './miss.ts'
import { oft } from './oft.ts'
import { pTuning } from './p-tuning.ts'
import { prefix } from './prefix.ts'
import { prompt } from './prompt.ts'
import { trainableTokens } from '../attach/trainable-tokens.ts'
import { vera } from './vera.ts'

/** Name → definition. */
export const METHODS: {
  readonly lora: typeof lora
  readonly dora: typeof dora
  readonly adalora: typeof adalora
  readonly ia3: typeof ia3
  readonly loha: typeof loha
  readonly lokr: typeof lokr
  readonly oft: typeof oft
  readonly boft: typeof boft
  readonly vera: typeof vera
  readonly miss: typeof miss
  readonly prompt: typeof prompt
  readonly prefix: typeof prefix
  readonly 'p-tuning': typeof pTuning
  readonly 'trainable-tokens': typeof trainableTokens
} = {
  lora,
  dora,
  adalora,
  ia3,
  loha,
  lokr,
  oft,
  boft,
  vera,
  miss,
  prompt,
  prefix,
  'p-tuning': pTuning,
  'trainable-tokens': trainableTokens,
}

/** A method that is built in. */
export type MethodName = keyof typeof METHODS

/** Their names, which `adapter:` takes. */
export const METHOD_NAMES: readonly MethodName[] = Object.keys(METHODS) as MethodName[]
