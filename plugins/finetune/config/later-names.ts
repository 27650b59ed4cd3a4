/**
 * Values that axolotl, PEFT and transformers know and tritune does not have: asked for, they are refused as "not supported
 * yet" and not as misspelt.
 */

/** Adapters that axolotl and PEFT know. */
export const LATER_ADAPTERS: readonly string[] = ['llama-adapter']

export const LATER_OPTIMIZERS: readonly string[] = [
  'adamw_anyprecision',
  'paged_ademamix_32bit',
  'paged_ademamix_8bit',
  'ademamix',
  'ademamix_8bit',
  'adopt_adamw',
  'came_pytorch',
  'dion',
  'galore_adamw',
  'galore_adamw_8bit',
  'grokadamw',
  'lomo',
  'adalomo',
  'q_galore_adamw8bit',
  'schedule_free_radam',
  'schedule_free_sgd',
  'rmsprop_bnb',
  'rmsprop_bnb_8bit',
  'rmsprop_bnb_32bit',
  'adagrad',
  'apollo_adamw',
  'stable_adamw',
  'shampoo',
  'soap_8bit',
  'paged_soap',
  'paged_soap_8bit',
]
export const LATER_SCHEDULERS: readonly string[] = ['greedy']
export const LATER_TEMPLATES: readonly string[] = ['command_a', 'command_a_rag', 'command_a_tool_use', 'inst']
