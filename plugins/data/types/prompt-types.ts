/**
 * The instruction types of axolotl: which fields of a record are asked and answered, and in which words. The prompt is not trained, the
 * answer and an EOS are.
 *
 * What each gives was compared with axolotl 0.19.0 (tests/oracle/prompt_types.py).
 */
import { didYouMean } from '../../../core/errors.ts'
import { showValue } from '../../../core/contracts/config.ts'
import { optionalTextField, recordError, textField } from './dataset-type.ts'
import type { DataRecord, DatasetType } from './dataset-type.ts'
import type { PromptTypeName } from '../options/dataset-words.ts'
import { tokenizePromptResponse } from './prompt-response.ts'
import {
  BARE,
  CHAT,
  CHATML_STYLE,
  INSTRUCT,
  OPEN_ORCA,
  ORCA_MINI,
  PHI,
  PLAIN_CHAT,
  type PromptStyle,
  TLDR,
} from './prompt-styles.ts'
import { metharme, pygmalion, reflection } from './unlike-types.ts'

/** What is said before a prompt with an input, and before one without. */
interface Opening {
  readonly withInput: string
  readonly alone: string
}

interface Question {
  readonly instruction: string
  readonly input?: string
  readonly response: string
  /** Of the record itself, instead of the opening. */
  readonly system?: string
}

type Read = (record: DataRecord) => Question

// ---- what stands before ------------------------------------------------------------------------------------------

const NOTHING: Opening = { withInput: '', alone: '' }
const ALPACA: Opening = {
  withInput:
    'Below is an instruction that describes a task, paired with an input that provides further context. ' +
    'Write a response that appropriately completes the request.',
  alone:
    'Below is an instruction that describes a task. Write a response that appropriately completes the request.',
}
const USER_CONTEXT =
  'Below is an instruction from a USER that describes a task, paired with an input that provides further context. ' +
  'The ASSISTANT writes a response that concisely and appropriately completes the request.\n\n'
const CONCISE: Opening = {
  withInput: USER_CONTEXT,
  alone:
    'Below is an instruction from a USER that describes a task. The ASSISTANT writes a response that appropriately and ' +
    'concisely completes the request.\n\n',
}
const EXPLAIN = same('Choose the answer that best answers the question. Explain your reasoning.\n')
const BE_CONCISE = same('Choose the answer that best answers the question. Be concise in your response.\n\n')
const CONTEXT = same('Use the following contextual information to concisely answer the question.\n')
const CREATIVE = same(
  'Answer the following question in a comprehensive, in-depth, and creative way. Additionally your response should be ' +
    'relevant, accurate, and free of any ambiguity.\n',
)
const NOT_IN_CONTEXT =
  'The context provided does not contain any information about your inquiry. ' +
  "Therefore, I'm unable to answer your question based on the given context."

function same(text: string): Opening {
  return { withInput: text, alone: text }
}

// ---- what is read ------------------------------------------------------------------------------------------------

const fields =
  (instruction: string, response: string, input?: string): Read =>
  (record) => ({
    instruction: textField(record, instruction),
    input: input === undefined ? '' : optionalTextField(record, input),
    response: textField(record, response),
  })

const readAlpaca = fields('instruction', 'output', 'input')
const readTeacher = fields('instruction', 'response', 'input')
const readOasst = fields('INSTRUCTION', 'RESPONSE')
const readSummary = fields('article', 'summary')

const readJeopardy: Read = (record) => ({
  instruction: textField(record, 'question'),
  input: textField(record, 'category'),
  response: `what is ${textField(record, 'answer')}`,
})

const readChoice: Read = (record) => ({
  instruction: textField(record, 'question'),
  input: choices(record)
    .map((choice) => `- "${choice}"`)
    .join('\n'),
  response: textField(record, record.value['solution'] === undefined ? 'explanation' : 'solution'),
})

const readSystem: Read = (record) => ({ ...readAlpaca(record), system: textField(record, 'system') })
const readOrca: Read = (record) => ({
  ...fields('question', 'response')(record),
  system: textField(record, 'system_prompt'),
})

const readContext =
  (question: string, response?: string): Read =>
  (record) => ({
    instruction: `${textField(record, 'article')}\n===\n${textField(record, question)}`,
    response: response ?? textField(record, 'answer'),
  })

const readContextV2: Read = (record) => ({
  instruction: `Context: ${textField(record, 'context')}\nQuestion: ${textField(record, 'question')}\n`,
  response: `Answer: ${textField(record, 'answer')}`,
})

function choices({ value, source }: DataRecord): readonly string[] {
  const given = value['choices']
  if (given === undefined)
    throw recordError(source, `there is no "choices"; ${didYouMean('choices', Object.keys(value))}`)
  if (Array.isArray(given) && given.every((choice) => typeof choice === 'string')) return given
  throw recordError(source, `expected "choices" to be a list of texts, got ${showValue(given)}`)
}

// ---- the types ---------------------------------------------------------------------------------------------------

/** All but `alpaca` itself, by the names that `type:` takes. */
export const PROMPT_TYPES: { readonly [N in PromptTypeName]: DatasetType } = {
  'alpaca:chat': prompted('alpaca:chat', CHAT, ALPACA, readAlpaca),
  'alpaca:chatml': prompted('alpaca:chatml', CHATML_STYLE, ALPACA, readAlpaca),
  'alpaca:instruct': prompted('alpaca:instruct', INSTRUCT, ALPACA, readAlpaca),
  'alpaca:phi': prompted('alpaca:phi', PHI, ALPACA, readAlpaca),
  alpaca_instruct: prompted('alpaca_instruct', INSTRUCT, ALPACA, readAlpaca),
  'alpaca_instruct.load_no_prompt': prompted('alpaca_instruct.load_no_prompt', INSTRUCT, NOTHING, readAlpaca),
  alpaca_chat: prompted('alpaca_chat', CHAT, ALPACA, readAlpaca),
  'alpaca_chat.load_qa': prompted('alpaca_chat.load_qa', CHAT, CONCISE, fields('question', 'answer')),
  'alpaca_chat.load_concise': prompted('alpaca_chat.load_concise', CHAT, CONCISE, readAlpaca),
  'alpaca_chat.load_camel_ai': prompted(
    'alpaca_chat.load_camel_ai',
    CHAT,
    CONCISE,
    fields('message_1', 'message_2'),
  ),
  'alpaca_chat.load_no_prompt': prompted('alpaca_chat.load_no_prompt', CHAT, NOTHING, readAlpaca),
  alpaca_w_system: prompted('alpaca_w_system', CHAT, NOTHING, readSystem),
  'alpaca_w_system.load_chat': prompted('alpaca_w_system.load_chat', CHAT, NOTHING, readSystem),
  'alpaca_w_system.load_instruct': prompted('alpaca_w_system.load_instruct', INSTRUCT, NOTHING, readSystem),
  'alpaca_w_system.load_open_orca': prompted('alpaca_w_system.load_open_orca', OPEN_ORCA, NOTHING, readOrca),
  'alpaca_w_system.load_open_orca_chatml': prompted(
    'alpaca_w_system.load_open_orca_chatml',
    CHATML_STYLE,
    NOTHING,
    readOrca,
  ),
  orcamini: prompted('orcamini', ORCA_MINI, NOTHING, readOrca),
  jeopardy: prompted('jeopardy', INSTRUCT, ALPACA, readJeopardy),
  oasst: prompted('oasst', INSTRUCT, ALPACA, readOasst),
  gpteacher: prompted('gpteacher', INSTRUCT, ALPACA, readTeacher),
  'gpteacher:chat': prompted('gpteacher:chat', CHAT, ALPACA, readTeacher),
  explainchoice: prompted('explainchoice', INSTRUCT, EXPLAIN, readChoice),
  'explainchoice.load': prompted('explainchoice.load', INSTRUCT, EXPLAIN, readChoice),
  concisechoice: prompted('concisechoice', PLAIN_CHAT, BE_CONCISE, readChoice),
  'concisechoice.load': prompted('concisechoice.load', PLAIN_CHAT, BE_CONCISE, readChoice),
  summarizetldr: prompted('summarizetldr', TLDR, NOTHING, readSummary),
  context_qa: prompted('context_qa', CHAT, CONTEXT, readContext('question')),
  'context_qa.load_v2': prompted('context_qa.load_v2', BARE, NOTHING, readContextV2),
  'context_qa.load_404': prompted(
    'context_qa.load_404',
    CHAT,
    CONTEXT,
    readContext('unanswerable_question', NOT_IN_CONTEXT),
  ),
  'creative_acr.load_answer': prompted(
    'creative_acr.load_answer',
    PLAIN_CHAT,
    CREATIVE,
    fields('instruction', 'revision'),
  ),
  metharme,
  pygmalion,
  reflection,
}

/** Whether a type is one of these. */
export function isPromptType(name: string): name is PromptTypeName {
  return Object.hasOwn(PROMPT_TYPES, name)
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function prompted(name: string, style: PromptStyle, opening: Opening, read: Read): DatasetType {
  return {
    name,
    tokenize(record, context) {
      const { instruction, input = '', response, system } = read(record)
      const before = system ?? (input === '' ? opening.alone : opening.withInput)
      const prompt =
        (before === '' && style.isOpened !== true ? '' : style.system(before)) +
        (input === '' ? style.alone(instruction) : style.withInput(instruction, input))
      return tokenizePromptResponse(prompt, response, record.source, context)
    },
  }
}
