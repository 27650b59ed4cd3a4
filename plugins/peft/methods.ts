/**
 * The methods that are built in, by the name that `adapter:` gives them. One file each; a plugin adds others in the same way.
 */
import { lora } from './lora.ts'

/** Name → definition. */
export const METHODS: { readonly lora: typeof lora } = { lora }
