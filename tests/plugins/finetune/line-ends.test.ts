/**
 * Files with the line ends of Windows, all at once: the run's file, data of every kind, the tokenizer, its chat template, the model's
 * config. The run has to be the same to the last digit; and again with a byte order mark where editors there write one.
 */
import { afterAll, expect, test } from 'bun:test'
import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT } from '../../../scripts/_setup.ts'
import { temporaryFolder } from '../../_golden.ts'
import { writeTinyModel } from '../../_tiny.ts'
import { countingTexts } from './_run.ts'

const TEXTS: Readonly<Record<string, string>> = {
  'my.yaml': `# a comment
base_model: ./model
adapter: lora
lora_r: 4
lora_target_linear: true
chat_template: jinja
chat_template_jinja: ./mine.jinja
datasets:
  - path: lines.jsonl
    type: completion
  - path: list.json
    type: chat_template
  - path: text.txt
    type: completion
    sample_by: paragraph
sequence_len: 64
max_steps: 3
learning_rate: 5e-3
logging_steps: 1
device: cpu
threads: 1
dataset_prepared_path: null
output_dir: ./out
`,
  'mine.jinja': `{%- for message in messages %}
{{ message.role }}:
  {{ message.content }}
{%- if not loop.last %}

{% endif %}
{% endfor %}
`,
  'lines.jsonl': `${countingTexts(6)}\n`,
  'list.json': JSON.stringify(
    Array.from({ length: 4 }, (_, i) => ({
      messages: [
        { role: 'user', content: `1 2 ${i}` },
        { role: 'assistant', content: `3\n4 ${i}` },
      ],
    })),
    null,
    2,
  ),
  'text.txt': 'one 1\ntwo 2\n\nthree 3\n\n\nfour 4\nfive 5\n',
}

const folders: Disposable[] = []
afterAll(() => folders.forEach((folder) => folder[Symbol.dispose]()))

/** Losses of the run and what it trained, after every text file has been changed. */
function runWith(change: (text: string, name: string) => string): { losses: string[]; summary: string } {
  const folder = temporaryFolder()
  folders.push(folder)
  writeTinyModel(join(folder.path, 'model'))
  for (const [name, text] of Object.entries(TEXTS)) writeFileSync(join(folder.path, name), text)
  for (const name of [
    ...Object.keys(TEXTS),
    ...readdirSync(join(folder.path, 'model')).map((one) => `model/${one}`),
  ]) {
    if (name.endsWith('.safetensors')) continue
    const path = join(folder.path, name)
    writeFileSync(path, change(pretty(readFileSync(path, 'utf8'), name), name))
  }
  const command = [join(ROOT, 'scripts/finetune.ts'), 'my.yaml']
  const child = spawnSync(process.execPath, command, { cwd: folder.path, encoding: 'utf8' })
  expect([child.status, child.stderr]).toEqual([0, expect.not.stringContaining('error')])
  const metrics = readFileSync(join(folder.path, 'out/metrics.jsonl'), 'utf8')
  return {
    losses: [...metrics.matchAll(/"loss":([^,}]+)/g)].map(([, loss]) => loss),
    summary: /^data .*$/m.exec(child.stdout + child.stderr)?.[0] ?? '',
  }
}

/** JSON gets lines, so that it has line ends. */
function pretty(text: string, name: string): string {
  return name.endsWith('.json') ? `${JSON.stringify(JSON.parse(text), null, 1)}\n` : text
}

const crlf = (text: string): string => text.replaceAll('\n', '\r\n')
const expected = runWith((text) => text)

test('the run that others are compared with reads all of its data', () => {
  expect(expected.losses).toHaveLength(3)
  expect(expected.losses).not.toEqual(
    runWith((text, name) => (name === 'text.txt' ? 'one 1\n' : text)).losses,
  )
})

test('CRLF everywhere', () => {
  const got = runWith(crlf)
  expect(got).toEqual(expected)
})

test('CRLF, and a byte order mark where editors on Windows write one', () => {
  const mark = (name: string): string => (name.startsWith('model/') ? '' : '\uFEFF')
  expect(runWith((text, name) => mark(name) + crlf(text))).toEqual(expected)
})
