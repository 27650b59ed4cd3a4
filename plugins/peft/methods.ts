/**
 * The methods that are built in, by the name that `adapter:` gives them. One file each; a plugin adds others in the same way.
 */
import { adalora } from './adalora.ts'
import { boft } from './boft.ts'
import { dora } from './dora.ts'
import { lora } from './lora.ts'
import { oft } from './oft.ts'

/** Name → definition. */
export const METHODS: {
  readonly lora: typeof lora
  readonly dora: typeof dora
  readonly adalora: typeof adalora
  readonly oft: typeof oft
  readonly boft: typeof boft
} = { lora, dora, adalora, oft, boft }
