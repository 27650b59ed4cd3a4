/**
 * LLaMA-Factory's dataset_info.json (https://github.com/hiyouga/LLaMA-Factory/tree/main/data): names of datasets → entries of a run's `datasets`.
 */
import { join } from 'node:path'

export interface DatasetInfo {
  /** Where its files are. */
  readonly folder: string
  readonly datasets: Readonly<Record<string, unknown>>
}

export interface InfoEntries {
  readonly entries: readonly Readonly<Record<string, unknown>>[]
  /** Names that it does not have. */
  readonly missing: readonly string[]
  /** What the form of a dataset keeps from being read. */
  readonly refused: readonly string[]
  /** What is not quite the same. */
  readonly notes: readonly string[]
}

export interface EntryOptions {
  readonly stage: string
  /** The most records of each; null: all. */
  readonly most: number | null
}

export function entriesOf(names: readonly string[], info: DatasetInfo, options: EntryOptions): InfoEntries {
  const missing = names.filter((name) => !Object.hasOwn(info.datasets, name))
  const notes = new Set<string>()
  const known = names.filter((name) => !missing.includes(name))
  const entries = known.map((name) =>
    entryOf(info.datasets[name], info.folder, options, (note) => void notes.add(note)),
  )
  const refused = known.flatMap((name) => {
    const dataset = fieldsOf(info.datasets[name])
    return options.stage === 'kto' && isConversation(dataset)
      ? [`${name}: conversations with a label are no type here: write records { prompt, completion, label }`]
      : []
  })
  return { entries, missing, refused, notes: [...notes] }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

type Fields = Readonly<Record<string, unknown>>

function entryOf(
  value: unknown,
  folder: string,
  { stage, most }: EntryOptions,
  note: (text: string) => void,
): Fields {
  const dataset = fieldsOf(value)
  const columns = fieldsOf(dataset['columns'])
  const { split = 'train', subset, hf_hub_url: hub, file_name: file } = dataset
  const end = Number(dataset['num_samples'] ?? most ?? 0)
  const where = {
    path: typeof hub === 'string' ? hub : join(folder, String(file)),
    ...(typeof subset === 'string' ? { name: subset } : {}),
    split: end > 0 ? `${String(split)}[:${end}]` : split,
  }
  if (columns['images'] !== undefined || columns['videos'] !== undefined || columns['audios'] !== undefined)
    note('images, audio and video are left aside')
  const isChat = isConversation(dataset)
  if (stage === 'pt') return { ...where, type: 'completion', field: columns['prompt'] ?? 'text' }
  if (columns['history'] !== undefined) note('earlier turns of the column history are left aside')
  if (dataset['ranking'] === true)
    return { ...where, ...(isChat ? rankedChatOf(dataset, columns) : rankedOf(columns, note)) }
  if (stage === 'kto') return { ...where, ...labelledOf(columns, note) }
  return { ...where, ...(isChat ? chatOf(dataset, columns) : promptOf(columns, note)) }
}

function isConversation({ formatting }: Fields): boolean {
  return formatting === 'sharegpt' || formatting === 'openai'
}

function chatOf(dataset: Fields, columns: Fields): Fields {
  return {
    type: 'chat_template',
    ...messagesOf(dataset, columns),
    ...(columns['tools'] === undefined ? {} : { field_tools: columns['tools'] }),
  }
}

/** Where messages are, and what stands for role, content and each role. */
function messagesOf(dataset: Fields, columns: Fields): Fields {
  const tags = fieldsOf(dataset['tags'])
  const named = (tag: string, own: string): string => String(tags[tag] ?? own)
  return {
    field_messages: columns['messages'] ?? 'conversations',
    message_property_mappings: {
      role: named('role_tag', 'from'),
      content: named('content_tag', 'value'),
    },
    roles: {
      user: [named('user_tag', 'human')],
      assistant: [named('assistant_tag', 'gpt'), named('function_tag', 'function_call')],
      tool: [named('observation_tag', 'observation')],
      system: [named('system_tag', 'system')],
    },
  }
}

/** Its own form of a prompt is the chat template with the instruction and the input, a line below it. */
function promptOf(columns: Fields, note: (text: string) => void): Fields {
  note('prompts of instruction and input stand without the chat template')
  const [instruction, input, output] = [
    columns['prompt'] ?? 'instruction',
    columns['query'] ?? 'input',
    columns['response'] ?? 'output',
  ]
  return {
    type: {
      field_instruction: instruction,
      field_input: input,
      field_output: output,
      ...(columns['system'] === undefined ? {} : { field_system: columns['system'] }),
      format: '{instruction}\n{input}\n',
      no_input_format: '{instruction}\n',
    },
  }
}

function rankedOf(columns: Fields, note: (text: string) => void): Fields {
  return {
    type: {
      ...questionOf(columns, note),
      field_chosen: columns['chosen'] ?? 'chosen',
      field_rejected: columns['rejected'] ?? 'rejected',
    },
  }
}

/** An answer that is good or bad. */
function labelledOf(columns: Fields, note: (text: string) => void): Fields {
  return {
    type: {
      ...questionOf(columns, note),
      field_completion: columns['response'] ?? 'output',
      field_label: columns['kto_tag'] ?? 'kto_tag',
    },
  }
}

/** Formats of one's own for preferences have no place for an input. */
function questionOf(columns: Fields, note: (text: string) => void): Fields {
  note('prompts stand without the chat template and without the input')
  return {
    field_prompt: columns['prompt'] ?? 'instruction',
    ...(columns['system'] === undefined ? {} : { field_system: columns['system'] }),
    prompt_format: columns['system'] === undefined ? '{prompt}\n' : '{system}\n{prompt}\n',
  }
}

function rankedChatOf(dataset: Fields, columns: Fields): Fields {
  return {
    type: 'chat_template.default',
    ...messagesOf(dataset, columns),
    field_chosen: columns['chosen'] ?? 'chosen',
    field_rejected: columns['rejected'] ?? 'rejected',
  }
}

function fieldsOf(value: unknown): Fields {
  return typeof value === 'object' && value !== null ? { ...value } : {}
}
