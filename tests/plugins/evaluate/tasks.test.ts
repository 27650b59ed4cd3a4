/** Files → tasks: the shapes of records, task files in YAML, and what is wrong with each. */
import { describe, expect, test } from 'bun:test'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { readTask, type Task } from '../../../plugins/evaluate/mod.ts'
import { temporaryFolder } from '../../_golden.ts'

/** The task of a file that is written first; beside it may be others. */
async function taskOf(
  name: string,
  text: string,
  others: Readonly<Record<string, string>> = {},
): Promise<Task> {
  using folder = temporaryFolder()
  for (const [file, content] of Object.entries({ ...others, [name]: text }))
    writeFileSync(join(folder.path, file), content)
  return await readTask(join(folder.path, name))
}

const jsonl = (...records: readonly object[]): string =>
  records.map((record) => JSON.stringify(record)).join('\n')

describe('records', () => {
  test('of a choice: the right one by number or by its text', async () => {
    const choices = ['A fish', 'A mammal', '1']
    const task = await taskOf(
      'a.jsonl',
      jsonl(
        { question: 'A whale is', choices, answer: 'A mammal' },
        { question: 'x', choices, label: 0 },
        { question: 'x', choices, gold: '1' },
      ),
    )
    expect(task).toMatchObject({ name: 'a', kind: 'multiple_choice', measures: ['acc', 'acc_norm'] })
    expect(task.items.map((item) => 'gold' in item && item.gold)).toEqual([[1], [0], [2]])
    expect(task.items[0]).toMatchObject({ context: 'A whale is', delimiter: ' ' })
    expect(task.items[1].place).toEndWith('a.jsonl:2')
  })

  test('of PIQA, OpenBookQA and texts to be written', async () => {
    const piqa = await taskOf('p.jsonl', jsonl({ goal: 'Sail', sol1: 'Up', sol2: 'Down', label: '1' }))
    expect(piqa.items[0]).toMatchObject({
      context: 'Question: Sail\nAnswer:',
      choices: ['Up', 'Down'],
      gold: [1],
    })
    const open = await taskOf(
      'o.jsonl',
      jsonl({
        question_stem: 'Sea is',
        choices: { text: ['wet', 'dry'], label: ['A', 'B'] },
        answerKey: ' B',
      }),
    )
    expect(open.items[0]).toMatchObject({ context: 'Sea is', gold: [1] })
    const write = await taskOf(
      'w.jsonl',
      jsonl({ prompt: 'Say', answer: ['a', 'b'] }, { question: '1+1', answer: 2 }),
    )
    expect(write).toMatchObject({ kind: 'generate_until', measures: ['exact_match'] })
    expect(write.items.map((item) => 'targets' in item && item.targets)).toEqual([['a', 'b'], ['2']])
  })

  test('a text file is one text', async () => {
    const task = await taskOf('t.txt', 'Call me\n\nIshmael.\n')
    expect(task.kind).toBe('loglikelihood_rolling')
    expect(task.items).toHaveLength(1)
  })

  test.each([
    ['of no known task', jsonl({ a: 1, b: 2 }), /no task is known by the fields a, b/],
    [
      'without a right answer',
      jsonl({ question: 'x', choices: ['a', 'b'] }),
      /there is none of gold, label, answer/,
    ],
    [
      'with a right answer that is not there',
      jsonl({ question: 'x', choices: ['a', 'b'], label: 2 }),
      /the right answer is 2, the choices are 2/,
    ],
    ['with an empty label', jsonl({ ctx: 'x', endings: ['a', 'b'], label: '' }), /the right answer is ""/],
    ['with one choice', jsonl({ question: 'x', choices: ['a'], label: 0 }), /at least two choices/],
    ['with an empty choice', jsonl({ question: 'x', choices: ['a', ''], label: 0 }), /choice 1 is empty/],
    [
      'with a letter that is not there',
      jsonl({ question: 'x', choices: { text: ['a', 'b'], label: ['A', 'B'] }, answerKey: 'C' }),
      /answerKey "C" is none of/,
    ],
    ['of another kind further down', jsonl({ text: 'x' }, { txt: 'y' }), /data\.jsonl:2/],
    ['that are not JSON', '{"text": ', /not valid JSON/],
    ['that are not there', '', /no records/],
  ])('records %s are an error with a place', async (_, text, message) => {
    await expect(taskOf('data.jsonl', text)).rejects.toThrow(message)
    await expect(taskOf('data.jsonl', text)).rejects.toThrow(/data\.jsonl/)
  })
})

test('a record unlike the first: the error tells what the first one decided, and each error what to do', async () => {
  const later = jsonl({ question: 'x', answer: 'y' }, { text: 'z' })
  await expect(taskOf('data.jsonl', later)).rejects.toMatchObject({
    what: expect.stringContaining('there is none of query, context'),
    place: expect.stringMatching(/data\.jsonl:2$/),
    remedy: expect.stringMatching(
      /^the first record of a file decides .* a text to be written has .* a file of their own$/,
    ),
  })
  const first = jsonl({ question: 'x', choices: ['a', 'b'] })
  await expect(taskOf('data.jsonl', first)).rejects.toMatchObject({
    remedy: 'a choice has a context or question, a list of choices, and gold, label or answer',
  })
  await expect(taskOf('data.jsonl', '')).rejects.toMatchObject({
    remedy: expect.stringContaining('put records'),
  })
})

describe('task files', () => {
  const CHOICE = `task: t
dataset_path: json
dataset_kwargs: {data_files: {test: d.jsonl}}
test_split: test
output_type: multiple_choice
doc_to_text: q
doc_to_choice: ["no", "yes"]
doc_to_target: a
`
  const DATA = { 'd.jsonl': jsonl({ q: 'Is it?', a: 1 }) }

  test('fields, lists and templates', async () => {
    const task = await taskOf('t.yaml', CHOICE, DATA)
    expect(task).toMatchObject({ name: 't', kind: 'multiple_choice', measures: ['acc', 'acc_norm'] })
    expect(task.items).toMatchObject([
      { context: 'Is it?', choices: ['no', 'yes'], gold: [1], delimiter: ' ' },
    ])
    const named = CHOICE.replace('doc_to_target: a', 'doc_to_target: \'{{ ["no"].index("no") }}\'')
    expect((await taskOf('t.yaml', named, DATA)).items).toMatchObject([{ gold: [0] }])
  })

  test('line breaks of a template stay', async () => {
    const text = CHOICE.replace('doc_to_text: q', 'doc_to_text: "{% if a %}\\n{{q}}{% endif %}\\n"')
    expect((await taskOf('t.yaml', text, DATA)).items).toMatchObject([{ context: '\nIs it?\n' }])
  })

  test.each([
    [
      'a function in Python',
      CHOICE.replace('doc_to_text: q', 'doc_to_text: !function utils.text'),
      /t\.yaml:6.*function in Python/,
    ],
    ['an unknown key', `${CHOICE}filter_list: []\n`, /t\.yaml:9.*filter_list/],
    [
      'data of the hub',
      CHOICE.replace('dataset_path: json', 'dataset_path: Rowan/hellaswag'),
      /t\.yaml:2.*dataset_path/,
    ],
    ['a split without files', CHOICE.replace('test_split: test', 'test_split: valid'), /no split "valid"/],
    ['no split', CHOICE.replace('test_split: test\n', ''), /neither test_split nor validation_split/],
    [
      'a measure of another kind',
      `${CHOICE}metric_list: [{metric: exact_match}]\n`,
      /expected one of acc, acc_norm, acc_bytes/,
    ],
    ['examples at random', `${CHOICE}num_fewshot: 2\n`, /random numbers of Python/],
    ['no choices', CHOICE.replace('doc_to_choice: ["no", "yes"]\n', ''), /needs the choices/],
    [
      'a field that is not there',
      CHOICE.replace('doc_to_text: q', 'doc_to_text: "{{question}}"'),
      /doc_to_text.*'question' is undefined/,
    ],
    ['a template that does not parse', CHOICE.replace('doc_to_text: q', 'doc_to_text: "{{q"'), /doc_to_text/],
    [
      'sampling',
      CHOICE.replace('multiple_choice', 'generate_until') + 'generation_kwargs: {do_sample: true}\n',
      /greedily/,
    ],
  ])('%s is an error', async (_, text, message) => {
    await expect(taskOf('t.yaml', text, DATA)).rejects.toThrow(message)
  })
})
