/**
 * Runs with `hub_model_id`: what is pushed and when, and that a push that fails costs no run.
 */
import { afterEach, beforeEach, expect, test } from 'bun:test'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { readRunFacts } from '../../../plugins/finetune/mod.ts'
import { type PushServer, pushServer } from '../hub/_push-server.ts'
import { type Changes, workspace } from './_run.ts'

const REPO = 'me/run'
let hub: PushServer
let before: Record<string, string | undefined>
beforeEach(() => {
  hub = pushServer()
  before = { ...process.env }
  Object.assign(process.env, { HF_ENDPOINT: hub.endpoint, HF_TOKEN: hub.token })
  delete process.env['HF_HUB_OFFLINE']
  delete process.env['TRANSFORMERS_OFFLINE']
})
afterEach(() => {
  hub[Symbol.dispose]()
  for (const name of ['HF_ENDPOINT', 'HF_TOKEN', 'HF_HUB_OFFLINE', 'TRANSFORMERS_OFFLINE'])
    if (before[name] === undefined) delete process.env[name]
    else process.env[name] = before[name]
})

const SAVING: Changes = { hub_model_id: REPO, save_strategy: 'steps', save_steps: 2 }
const titles = (): readonly string[] => hub.repos.get(REPO)?.titles ?? []
const names = (ref?: string): string[] => [...hub.files(REPO, ref).keys()]

test('every_save, the default of axolotl: each checkpoint and the end, into a private repository', async () => {
  using space = workspace()
  const { result, outputDir } = await space.train(SAVING)
  expect(titles()).toEqual(['Step 2', 'Step 4', 'Step 6', 'End of training'])
  expect(hub.repos.get(REPO)?.isPrivate).toBe(true)
  expect(result.pushed).toEqual({ repo: REPO, url: `${hub.endpoint}/${REPO}`, error: null })
  const there = hub.files(REPO).get('adapter_model.safetensors')?.content
  expect(Buffer.from(there ?? [])).toEqual(readFileSync(join(outputDir, 'adapter_model.safetensors')))
  expect(names().filter((name) => /checkpoint|state|finished|lock/.test(name))).toEqual([])
})

test('end pushes once, with a card of what was done', async () => {
  using space = workspace()
  const { losses, outputDir } = await space.train({ ...SAVING, hub_strategy: 'end', hub_revision: 'trial' })
  expect(titles()).toEqual(['End of training'])
  expect(names('main')).toEqual([])
  const card = Buffer.from(hub.files(REPO, 'trial').get('README.md')?.content ?? []).toString()
  expect(card).toContain('library_name: peft')
  expect(card).toContain(`| training loss, last step | ${losses.at(-1)?.toFixed(4)} |`)
  expect(card).toContain('| lora\\_r | 4 |'.replaceAll('\\', ''))
  expect(card).not.toContain('| r |')
  // Not where somebody keeps his files.
  expect(card).not.toContain(space.path)
  expect(card).toContain('`data.jsonl`')
  const facts = readRunFacts(outputDir)
  expect(facts?.results).toMatchObject({ steps: 6 })
  // The steps ended it, not the epochs.
  expect(facts?.settings).toMatchObject({ max_steps: 6 })
  expect(facts?.settings).not.toHaveProperty('num_epochs')
  // What is on this machine is kept by its whole path: it is no name of the hub from anywhere.
  expect(facts?.baseModel).toStartWith('/')
})

test('checkpoint keeps the newest one to resume from; all_checkpoints each as its folder', async () => {
  using space = workspace()
  await space.train({ ...SAVING, hub_strategy: 'checkpoint' })
  expect(names()).toContain('last-checkpoint/training_state.json')
  expect(names()).toContain('last-checkpoint/state.safetensors')
  hub.repos.clear()
  using other = workspace()
  await other.train({ ...SAVING, hub_strategy: 'all_checkpoints' })
  expect(names().filter((name) => name.endsWith('training_state.json'))).toEqual([
    'checkpoint-2/training_state.json',
    'checkpoint-4/training_state.json',
    'checkpoint-6/training_state.json',
  ])
})

test('a push that fails is told, the run goes on to the same weights, and its files stay', async () => {
  using space = workspace()
  const plain = await space.train({ output_dir: join(space.path, 'plain') })
  hub.refuse = (_, url) => (url.pathname.includes('/commit/') ? new Response('', { status: 403 }) : undefined)
  const { result, events, losses, outputDir } = await space.train(SAVING)
  expect(losses).toEqual([...plain.losses])
  expect(result.stopped).toBe(false)
  expect(result.pushed).toMatchObject({ repo: REPO, url: null })
  expect(result.pushed?.error).toContain('may not write there (403)')
  expect(events.filter((event) => event.type === 'note' && event.text.startsWith('not pushed'))).toHaveLength(
    4,
  )
  expect(existsSync(join(outputDir, 'finished.json'))).toBe(true)
  expect(names()).toEqual([])
})

test.each<[string, () => void, string]>([
  [
    'a token that is refused',
    () => (process.env['HF_TOKEN'] = 'hf_other'),
    'the access token was refused (401',
  ],
  ['a token that may only read', () => (hub.role = 'read'), 'the access token may only read'],
  ['offline', () => (process.env['HF_HUB_OFFLINE'] = '1'), 'nothing can be uploaded offline'],
])('%s is told before the first step', async (_, change, said) => {
  change()
  using space = workspace()
  const seen: string[] = []
  const run = space.train(SAVING, { onEvent: ({ type }) => void seen.push(type) })
  await expect(run).rejects.toThrow(said)
  expect(seen).toEqual(['error'])
})

test('a run that was stopped pushes no end', async () => {
  using space = workspace()
  const stop = new AbortController()
  await space.train(
    { ...SAVING, hub_strategy: 'end' },
    { signal: stop.signal, onEvent: ({ type }) => void (type === 'step' && stop.abort()) },
  )
  expect(titles()).toEqual([])
})

test('keys that are none are refused', () => {
  using space = workspace()
  expect(() => space.config({ hub_model_id: 'name' })).toThrow('expected org/name')
  expect(() => space.config({ hub_strategy: 'always' })).toThrow('every_save')
})
