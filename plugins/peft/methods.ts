/**
 * The methods that are built in, by the name that `adapter:` gives them. One file each; a plugin adds others in the same way.
 */
import { dora } from './dora.ts'
import { lora } from './lora.ts'

/** Name → definition. */
export const METHODS: { readonly lora: typeof lora; readonly dora: typeof dora } = { lora, dora }
