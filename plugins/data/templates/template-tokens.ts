/**
 * Whether a named template is of the family of the tokenizer: the marks between which it puts what is said are tokens there. Where they are
 * not, a model would learn the letters of marks that it never sees again. ChatML and the templates of plain words are for any family.
 */
import { TrituneError } from '../../../core/errors.ts'
import type { ChatTemplateName } from './chat-templates.ts'

const COMMAND = ['<|START_OF_TURN_TOKEN|>', '<|END_OF_TURN_TOKEN|>']
const GEMMA = ['<start_of_turn>', '<end_of_turn>']
const IM = ['<|im_start|>', '<|im_end|>']
const LLAMA3 = ['<|start_header_id|>', '<|end_header_id|>', '<|eot_id|>']

const MARKS: { readonly [N in ChatTemplateName]?: readonly string[] } = {
  aya: COMMAND,
  cohere: COMMAND,
  deepseek_v2: ['<｜User｜>', '<｜Assistant｜>'],
  deepseek_v3: ['<｜User｜>', '<｜Assistant｜>'],
  exaone: ['[|assistant|]', '[|endofturn|]'],
  exaone4: ['[|assistant|]', '[|endofturn|]'],
  falcon_h1: IM,
  gemma: GEMMA,
  gemma3: GEMMA,
  gemma3n: GEMMA,
  jamba: ['<|bom|>', '<|eom|>'],
  llama3: LLAMA3,
  llama3_2_vision: LLAMA3,
  llama4: ['<|header_start|>', '<|header_end|>', '<|eot|>'],
  mistral_v7_tekken: ['[INST]', '[/INST]', '[SYSTEM_PROMPT]'],
  nemotron_h: IM,
  phi_3: ['<|user|>', '<|end|>'],
  phi_35: ['<|user|>', '<|end|>'],
  phi_4: ['<|im_start|>', '<|im_sep|>', '<|im_end|>'],
  qwen2_vl: IM,
  qwen3: IM,
  qwen3_5: IM,
  qwen_25: IM,
}

/** Throws E_TOKENIZER when the marks of the template are no tokens. */
export function expectTemplateTokens(name: ChatTemplateName, isToken: (text: string) => boolean): void {
  const missing = (MARKS[name] ?? []).filter((mark) => !isToken(mark))
  if (missing.length === 0) return
  throw new TrituneError(
    'E_TOKENIZER',
    `the template ${name} is of another family: ${missing.join(', ')} ${missing.length === 1 ? 'is no token' : 'are no tokens'} of this tokenizer`,
    { remedy: "use the tokenizer's own template or chatml, or add the marks with tokens" },
  )
}
