/**
 * Chat templates by axolotl's names, for models that have none: written here, rendered to the same text. They are for texts and tools;
 * images and sounds are not read.
 */
import { CHATML, FALCON_H1, NEMOTRON_H, QWEN2_VL } from './chatml.ts'
import { COHERE } from './cohere.ts'
import { DEEPSEEK_V2, DEEPSEEK_V3 } from './deepseek.ts'
import { EXAONE, EXAONE4 } from './exaone.ts'
import { GEMMA, GEMMA3, GEMMA4 } from './gemma.ts'
import { JAMBA } from './jamba.ts'
import { LLAMA3, LLAMA3_2_VISION, LLAMA4 } from './llama.ts'
import { MISTRAL_V1, MISTRAL_V2V3, MISTRAL_V3_TEKKEN, MISTRAL_V7_TEKKEN, PIXTRAL } from './mistral.ts'
import { PHI_3, PHI_35, PHI_4 } from './phi.ts'
import { ALPACA, LLAVA, METHARME } from './plain.ts'
import { QWEN_25, QWEN3 } from './qwen.ts'

/** The names, in order. */
export const CHAT_TEMPLATE_NAMES = [
  'alpaca',
  'aya',
  'chatml',
  'cohere',
  'deepseek_v2',
  'deepseek_v3',
  'exaone',
  'exaone4',
  'falcon_h1',
  'gemma',
  'gemma3',
  'gemma3n',
  'gemma4',
  'gemma4_unified',
  'jamba',
  'llama3',
  'llama3_2_vision',
  'llama4',
  'llava',
  'metharme',
  'mistral_v1',
  'mistral_v2v3',
  'mistral_v3_tekken',
  'mistral_v7_tekken',
  'nemotron_h',
  'phi_3',
  'phi_35',
  'phi_4',
  'pixtral',
  'qwen2_vl',
  'qwen3',
  'qwen3_5',
  'qwen_25',
] as const

/** A template that is known by name. */
export type ChatTemplateName = (typeof CHAT_TEMPLATE_NAMES)[number]

const CHAT_TEMPLATES: Readonly<Record<ChatTemplateName, string>> = {
  alpaca: ALPACA,
  aya: COHERE,
  chatml: CHATML,
  cohere: COHERE,
  deepseek_v2: DEEPSEEK_V2,
  deepseek_v3: DEEPSEEK_V3,
  exaone: EXAONE,
  exaone4: EXAONE4,
  falcon_h1: FALCON_H1,
  gemma: GEMMA,
  gemma3: GEMMA3,
  gemma3n: GEMMA3,
  gemma4: GEMMA4,
  gemma4_unified: GEMMA4,
  jamba: JAMBA,
  llama3: LLAMA3,
  llama3_2_vision: LLAMA3_2_VISION,
  llama4: LLAMA4,
  llava: LLAVA,
  metharme: METHARME,
  mistral_v1: MISTRAL_V1,
  mistral_v2v3: MISTRAL_V2V3,
  mistral_v3_tekken: MISTRAL_V3_TEKKEN,
  mistral_v7_tekken: MISTRAL_V7_TEKKEN,
  nemotron_h: NEMOTRON_H,
  phi_3: PHI_3,
  phi_35: PHI_35,
  phi_4: PHI_4,
  pixtral: PIXTRAL,
  qwen2_vl: QWEN2_VL,
  qwen3: QWEN3,
  qwen3_5: QWEN3,
  qwen_25: QWEN_25,
}

/** Whether a template is known by this name. */
export function isTemplateName(name: string): name is ChatTemplateName {
  return Object.hasOwn(CHAT_TEMPLATES, name)
}

/** The Jinja text of a template. */
export function chatTemplateNamed(name: ChatTemplateName): string {
  return CHAT_TEMPLATES[name]
}
