import { describe, expect, test } from 'bun:test'
import { writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { parse } from 'yaml'
import { cardFacts, factsOfFolder, modelCard } from '../../../plugins/hub/mod.ts'
import { ROOT } from '../../../scripts/_setup.ts'
import { temporaryFolder } from '../../_golden.ts'

const FACTS = {
  kind: 'adapter',
  repo: 'me/poems',
  baseModel: 'org/base-1B',
  datasets: ['org/poems', '/data/secret place/mine.jsonl'],
  settings: { lora_r: 8, learning_rate: 0.0002 },
  results: { steps: 10, 'training loss, last step': '1.2345' },
  trituneVersion: '1.2.3',
} as const

function metadataOf(card: string): unknown {
  const [, block] = /^---\n([\s\S]*?)\n---\n/.exec(card) ?? []
  return parse(block ?? '')
}

describe('modelCard()', () => {
  test('the metadata are what the hub reads', () => {
    expect(metadataOf(modelCard({ ...FACTS, license: 'apache-2.0' }))).toEqual({
      license: 'apache-2.0',
      base_model: 'org/base-1B',
      datasets: ['org/poems'],
      library_name: 'peft',
      pipeline_tag: 'text-generation',
      tags: ['tritune', 'peft', 'adapter'],
    })
    expect(metadataOf(modelCard({ kind: 'model', repo: 'me/m' }))).toEqual({
      library_name: 'transformers',
      pipeline_tag: 'text-generation',
      tags: ['tritune'],
    })
  })

  test('tells how it was made and how to use it, and not where files were', () => {
    const card = modelCard(FACTS)
    expect(card).toContain(
      'A PEFT adapter of [org/base-1B](https://huggingface.co/org/base-1B), made with tritune 1.2.3.',
    )
    expect(card).toContain('AutoPeftModelForCausalLM.from_pretrained("me/poems")\n')
    expect(card).toContain('| learning_rate | 0.0002 |')
    expect(card).toContain('- `mine.jsonl`')
    expect(card).not.toContain('secret place')
    expect(card).toMatch(/```python\nfrom peft [\s\S]+?"\)\n```\n/)
  })

  test('an adapter that PEFT cannot read is not called one, and its plugin is named', () => {
    using folder = temporaryFolder()
    const put = (name: string, value: object): void =>
      writeFileSync(join(folder.path, name), JSON.stringify(value))
    put('adapter_config.json', { base_model_name_or_path: 'org/base-1B', tritune_adapter: 'gentle-scale' })
    const cardOf = (): string =>
      modelCard({ ...factsOfFolder(folder.path), kind: 'adapter', repo: 'me/poems' })
    expect(cardOf()).toContain('with the file of its plugin.')
    put('tritune.json', {
      format: 1,
      plugins: [{ package: 'tritune-plugin-gentle-scale' }, { package: 'a; b' }],
    })
    const card = cardOf()
    expect(metadataOf(card)).toMatchObject({ library_name: 'tritune', tags: ['tritune', 'adapter'] })
    expect(card).toContain('An adapter by the method `gentle-scale` of [org/base-1B]')
    expect(card).toContain(
      '```sh\nbun add tritune tritune-plugin-gentle-scale\nbunx tritune generate org/base-1B --adapter ./poems --plugin tritune-plugin-gentle-scale ',
    )
    expect(card).toMatch(/the files of this repository\n```\n/)
    expect(card).not.toMatch(/peft|a; b/)
    // A plugin's method that is PEFT's is PEFT's.
    put('adapter_config.json', { peft_type: 'IA3', tritune_adapter: 'ia3' })
    expect(cardOf()).toContain('AutoPeftModelForCausalLM')
  })

  test('a folder that is here is no repository, whatever its name looks like', () => {
    const here = relative(process.cwd(), join(ROOT, 'quickstart/model'))
    expect(here).toBe('quickstart/model')
    const card = modelCard({ ...FACTS, baseModel: here, datasets: ['docs/images'] })
    expect(metadataOf(card)).not.toHaveProperty('base_model')
    expect(metadataOf(card)).not.toHaveProperty('datasets')
    expect(card).not.toContain('huggingface.co')
    expect(card).toContain('A PEFT adapter of `model`, made')
    expect(card).toContain('# needs model')
    // One of that form that is not here is one of the hub.
    expect(modelCard({ ...FACTS, baseModel: 'quickstart/other' })).toContain('base_model: "quickstart/other"')
  })

  test('the rank is told once, by the name that the run has for it', () => {
    const files = { settings: { peft_type: 'LORA', r: 8 } }
    expect(cardFacts(files, { settings: { lora_r: 8 } }).settings).toEqual({ peft_type: 'LORA', lora_r: 8 })
    expect(cardFacts(files).settings).toEqual(files.settings)
    expect(cardFacts(files, { baseModel: 'org/b' })).toEqual({ ...files, baseModel: 'org/b' })
  })

  test('a base model on a disk is no metadata, and values cannot break the table or the block', () => {
    const card = modelCard({
      ...FACTS,
      baseModel: '/models/base',
      settings: { 'a|b': 'x\n---\n<script>' },
    })
    expect(metadataOf(card)).not.toHaveProperty('base_model')
    expect(card).toContain('# needs base')
    expect(card).toContain('| a\\|b | x --- \\<script\\> |')
    expect(card.match(/^---$/gm)).toHaveLength(2)
  })
})
