import assert from 'node:assert/strict'
import { test } from 'node:test'
import { strategyContract } from 'tritune/testing'
import { myStrategy, plugin } from '../src/mod.ts'
import { trainExample } from '../../common/test/train-example.ts'

// What every strategy promises, as checks that come with tritune.
for (const { name, run } of strategyContract(myStrategy, { wrongOptions: [{ below: -1 }] })) test(name, run)

test(
  'skips windows that are easy and trains on the others; a resumed run does the same',
  { timeout: 60_000 },
  async () => {
    const { losses, resumed, files } = await trainExample(plugin, ['metrics.jsonl'])
    assert.deepEqual(resumed, losses.slice(4))
    const lines = (files.get('metrics.jsonl') ?? '').trimEnd().split('\n')
    const skipped = lines
      .map((line): unknown => Reflect.get(Object(JSON.parse(line)), 'skipped'))
      .filter((value) => value !== undefined)
    assert.equal(skipped.length, losses.length)
    assert.equal(skipped[0], 0, 'the first window has no mean to be compared with')
    assert.ok(skipped.includes(1), 'the example is made so that some windows are skipped')
  },
)
