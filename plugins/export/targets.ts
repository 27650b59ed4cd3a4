/**
 * What can be exported to.
 */

/** Names for `--to`. */
export type ExportTarget = (typeof EXPORT_TARGETS)[number]

/** In the order of the help text. */
export const EXPORT_TARGETS = ['hf', 'peft', 'gguf', 'ollama', 'mlx'] as const
