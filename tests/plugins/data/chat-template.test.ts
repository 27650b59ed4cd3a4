import { describe, expect, test } from 'bun:test'
import { chatTemplate, sharegpt } from '../../../plugins/data/mod.ts'
import type { TokenizedExample } from '../../../plugins/data/mod.ts'
import { TrituneError } from '../../../core/errors.ts'
import golden from '../../golden/data/chat.json' with { type: 'json' }
import { context, errorOf, SOURCE } from './_options.ts'
import type { ContextOptions } from './_options.ts'
import { tinyTokenizer, trainedText } from './_tokenizer.ts'
import type { TinyTokenizerOptions } from './_tokenizer.ts'

const CHATML_EOS = '<|im_end|>'
const messages = [
  { role: 'system', content: 'S' },
  { role: 'user', content: 'Hello!' },
  { role: 'assistant', content: 'Hello!' },
  { role: 'user', content: 'again' },
  { role: 'assistant', content: 'Bye' },
]

function trained(
  value: Record<string, unknown>,
  options: ContextOptions = {},
  tokenizerOptions: TinyTokenizerOptions = {},
): string[] {
  const tokenizer = tinyTokenizer({ eosToken: CHATML_EOS, ...tokenizerOptions })
  return trainedText(chatTemplate.tokenize({ value, source: SOURCE }, context(tokenizer, options)), tokenizer)
}

describe('chatTemplate', () => {
  test('gives the ids and masks of transformers', () => {
    expect(golden).toHaveLength(9)
    for (const { jinja, eos, messages: conversation, ids, mask } of golden) {
      const tokenizer = tinyTokenizer({ template: jinja, eosToken: eos })
      const example = chatTemplate.tokenize(
        { value: { messages: conversation }, source: SOURCE },
        context(tokenizer),
      )
      expect([...example.ids]).toEqual(ids)
      expect(Array.from(example.labels, (label) => Number(label !== -100))).toEqual(mask)
    }
  })

  test('trains the assistant turns with their EOS', () => {
    expect(trained({ messages })).toEqual(['Hello!<|im_end|>', 'Bye<|im_end|>'])
  })

  test('trains EOS as train_on_eos says', () => {
    const at = (train_on_eos: string): string[] => trained({ messages }, { dataset: { train_on_eos } })
    expect(at('none')).toEqual(['Hello!', 'Bye'])
    expect(at('last')).toEqual(['Hello!', 'Bye<|im_end|>'])
    expect(at('all')).toEqual(['<|im_end|>', '<|im_end|>', 'Hello!<|im_end|>', '<|im_end|>', 'Bye<|im_end|>'])
  })

  test('trains the roles of roles_to_train, under their names in the data', () => {
    expect(trained({ messages }, { dataset: { roles_to_train: ['human'] } })).toEqual([
      'Hello!<|im_end|>',
      'again<|im_end|>',
    ])
  })

  test('trains every turn with train_on_inputs', () => {
    expect(trained({ messages }, { trainOnInputs: true })).toHaveLength(5)
  })

  test('lets a message decide for itself', () => {
    const flagged = messages.map((message, i) => ({ ...message, learn: i === 4 ? undefined : i === 1 }))
    expect(trained({ messages: flagged }, { dataset: { message_field_training: 'learn' } })).toEqual([
      'Hello!<|im_end|>',
      'Bye<|im_end|>',
    ])
    const first = trained(
      { messages: flagged },
      { dataset: { message_field_training: 'learn', roles_to_train: [] } },
    )
    expect(first).toEqual(['Hello!<|im_end|>'])
    const weighted = messages.map((message, i) =>
      i === 2 ? { ...message, weight: 0 } : i === 1 ? { ...message, weight: 1 } : message,
    )
    expect(trained({ messages: weighted }, { dataset: { message_field_training: 'weight' } })).toEqual([
      'Hello!<|im_end|>',
      'Bye<|im_end|>',
    ])
  })

  test('finds the turn by position when a user says the same words', () => {
    const tokenizer = tinyTokenizer({ eosToken: CHATML_EOS })
    const example = chatTemplate.tokenize({ value: { messages }, source: SOURCE }, context(tokenizer))
    const before = example.ids.slice(
      0,
      example.labels.findIndex((label) => label !== -100),
    )
    expect(tokenizer.decode([...before])).toEndWith(
      '<|im_start|>user\nHello!<|im_end|>\n<|im_start|>assistant\n',
    )
  })

  test('is not disturbed by a pad token equal to EOS', () => {
    expect(tinyTokenizer({ eosToken: CHATML_EOS }).padId).toBe(tinyTokenizer({ eosToken: CHATML_EOS }).eosId)
    expect(trained({ messages }).at(-1)).toBe('Bye<|im_end|>')
  })

  test('takes a token that reaches over the start of a turn, and not one that lies before it', () => {
    const value = { messages: [messages[1], { role: 'assistant', content: '\nHi' }] }
    expect(trained(value, {}, { merges: ['\n\n'] })).toEqual(['\n\nHi<|im_end|>'])
    expect(trained(value, {}, { merges: ['assistant\n'] })).toEqual(['\nHi<|im_end|>'])
  })

  test('takes a token that reaches over the end of a turn', () => {
    const template = "{% for m in messages %}{{ m.role + ': ' + m.content + ' ;' }}{% endfor %}"
    const value = { messages: [messages[1], { role: 'assistant', content: 'Hi ' }] }
    expect(trained(value, {}, { template, merges: ['  '] })).toEqual(['Hi  '])
    expect(trained(value, {}, { template, merges: [' ;'] })).toEqual(['Hi '])
    const longer = template.replace(' ;', ';!!!')
    expect(trained(value, {}, { template: longer, merges: ['Hi ;'] })).toEqual(['Hi ;'])
  })

  test('leaves an EOS that belongs to the next turn alone', () => {
    const template = '{% for m in messages %}{{ m.content }}{% endfor %}'
    const value = { messages: [messages[1], messages[2], { role: 'user', content: '<|im_end|>x' }] }
    expect(trained(value, {}, { template })).toEqual(['Hello!'])
  })

  test('says when nothing ends the turns, and takes eot_tokens', () => {
    const notes: string[] = []
    expect(trained({ messages }, { notes }, { eosToken: '</s>' })).toEqual(['Hello!', 'Bye'])
    expect(notes.join()).toContain('set eot_tokens')
    const quiet: string[] = []
    expect(trained({ messages }, { notes: quiet, eotTokens: ['<|im_end|>'] }, { eosToken: '</s>' })).toEqual([
      'Hello!<|im_end|>',
      'Bye<|im_end|>',
    ])
    expect(quiet).toEqual([])
    expect(errorOf(() => trained({ messages }, { eotTokens: ['<end>'] })).message).toContain(
      'is not one token',
    )
  })

  test('trains what a template that rewrites earlier turns has written', () => {
    const template =
      "{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' + " +
      "(m.content if loop.last else m.content.split('</think>')[-1]) + '<|im_end|>\n' }}{% endfor %}"
    const thinking = messages.map((m) =>
      m.role === 'assistant' ? { ...m, content: `hm</think>${m.content}` } : m,
    )
    const notes: string[] = []
    expect(trained({ messages: thinking }, { notes }, { template })).toEqual([
      'Hello!<|im_end|>',
      'hm</think>Bye<|im_end|>',
    ])
    expect(notes.join()).toContain('changes the contents of trained turns')
    const counting =
      "{{ messages | length }}{% for m in messages %}{{ m.role + '\n' + m.content + '<|im_end|>' }}{% endfor %}"
    expect(trained({ messages }, {}, { template: counting })).toEqual(['Hello!<|im_end|>', 'Bye<|im_end|>'])
  })

  test('refuses a turn that no rendering can tell from the rest', () => {
    const mixed = '{{ messages[1].content + messages[0].content + messages[1].content }}'
    const error = errorOf(() => trained({ messages: messages.slice(1, 3) }, {}, { template: mixed }))
    expect(error.code).toBe('E_DATA')
    expect(error.message).toContain(
      'train.jsonl:17: what the chat template writes for message 2 (assistant) cannot be told',
    )
  })

  test('refuses to train what the template does not write', () => {
    const template =
      "{% for m in messages %}{{ m.role + ':' + (m.content | upper) + '<|im_end|>' }}{% endfor %}"
    expect(
      trained({ messages: messages.slice(0, 3) }, {}, { template: template.replace('| upper', '| trim') }),
    ).toEqual(['Hello!<|im_end|>'])
    // Upper-cased, the mark is untouched, so the text between what is around it counts as the content.
    const notes: string[] = []
    expect(trained({ messages: messages.slice(0, 3) }, { notes }, { template })).toEqual(['HELLO!<|im_end|>'])
    expect(notes.join()).toContain('changes the contents of trained turns')
    const silent = "{% for m in messages %}{{ m.role + ':<|im_end|>' }}{% endfor %}"
    expect(
      errorOf(() => trained({ messages: messages.slice(1) }, {}, { template: silent })).message,
    ).toContain('train.jsonl:17: the chat template leaves out message 1, whose role is "user"')
  })

  test('reports what the template raises', () => {
    const template = "{{ raise_exception('roles must alternate') }}"
    expect(errorOf(() => trained({ messages }, {}, { template })).message).toContain(
      'train.jsonl:17: the chat template failed',
    )
    const refusing = {
      ...tinyTokenizer(),
      renderChat: () => {
        throw new TrituneError('E_TOKENIZER', 'there is no chat template', { place: 'tokenizer_config.json' })
      },
    }
    const error = errorOf(() =>
      chatTemplate.tokenize({ value: { messages }, source: SOURCE }, context(refusing)),
    )
    expect(error.code).toBe('E_TOKENIZER')
    expect(error.message).toBe(
      'train.jsonl:17: the chat template failed: tokenizer_config.json: there is no chat template',
    )
  })

  test('works with a template that refuses the marks of other messages', () => {
    const template =
      "{% for m in messages %}{% if m.role == 'user' and '?' not in m.content %}{{ raise_exception('no question') }}" +
      "{% endif %}{{ m.role + ':' + m.content + '<|im_end|>' }}{% endfor %}"
    const asked = [{ role: 'user', content: 'so?' }, messages[2]]
    expect(trained({ messages: asked }, {}, { template })).toEqual(['Hello!<|im_end|>'])
  })

  test('maps fields and roles', () => {
    const value = {
      system: 'S',
      log: [
        { who: 'Q', says: 'a' },
        { who: 'A', says: 'b' },
      ],
    }
    const dataset = {
      field_messages: 'log',
      message_property_mappings: { role: 'who', content: 'says' },
      roles: { user: ['Q'], assistant: ['A'] },
    }
    expect(trained(value, { dataset })).toEqual(['b<|im_end|>'])
    expect(trained(value, { dataset: { ...dataset, roles_to_train: ['system'] } })).toEqual(['S<|im_end|>'])
    expect(
      trained(value, { dataset: { ...dataset, roles_to_train: ['system'], drop_system_message: true } }),
    ).toEqual([])
  })

  test('names what is wrong with a record', () => {
    const message = (value: Record<string, unknown>): string => errorOf(() => trained(value)).message
    expect(message({ conversations: [] })).toContain('there is no "messages"')
    expect(message({ messages: [] })).toContain('expected "messages" to be a list of messages, got []')
    expect(message({ messages: [{ from: 'gpt', value: 'x' }] })).toContain(
      'messages[0] has no "role", only from, value',
    )
    expect(message({ messages: [{ role: 'user', content: 3 }] })).toContain(
      'messages[0].content to be a text, got 3',
    )
    expect(message({ messages: '{' })).toContain('"messages" is a text that is not valid JSON')
    expect(message({ messages, tools: 'x' })).toContain('tools is a text that is not valid JSON')
    expect(message({ messages, tools: [3] })).toContain('expected tools[0] to be a tool, got 3')
    const image = [{ role: 'user', content: [{ type: 'image_url' }] }]
    expect(message({ messages: image })).toContain(
      'messages[0].content[0] is image_url; only texts can be trained on',
    )
    const weighted = [{ role: 'assistant', content: [{ text: 'a', weight: 'x' }] }]
    expect(message({ messages: weighted })).toContain('content[0].weight to be a number, got "x"')
    const call = { function: { name: 'f', arguments: '{' } }
    expect(message({ messages: [{ role: 'assistant', tool_calls: [call] }] })).toContain(
      'messages[0].tool_calls[0].function.arguments is a text that is not valid JSON',
    )
  })
})

test('`sharegpt` reads conversations of from and value', () => {
  const tokenizer = tinyTokenizer({ eosToken: CHATML_EOS })
  const value = {
    conversations: [
      { from: 'human', value: 'a' },
      { from: 'gpt', value: 'b' },
    ],
  }
  const example: TokenizedExample = sharegpt.tokenize({ value, source: SOURCE }, context(tokenizer))
  expect(trainedText(example, tokenizer)).toEqual(['b<|im_end|>'])
})
