import assert from 'node:assert/strict'
import { test } from 'node:test'
import { monitorContract } from 'tritune/testing'
import { myMonitor, plugin } from '../src/mod.ts'
import { trainExample } from '../../common/test/train-example.ts'

// What every monitor promises, as checks that come with tritune.
for (const { name, run } of monitorContract(myMonitor, { wrongOptions: [{ file: 1 }] })) test(name, run)

test('writes a line for each step, and goes on after a resume', { timeout: 60_000 }, async () => {
  const { losses, resumed, files } = await trainExample(plugin, ['my-monitor.csv'])
  assert.deepEqual(resumed, losses.slice(4))
  const [header, ...lines] = (files.get('my-monitor.csv') ?? '').trimEnd().split('\n')
  assert.equal(header, 'step,loss,learning_rate,grad_norm,seconds')
  assert.deepEqual(
    lines.map((line) => line.split(',').slice(0, 2).map(Number)),
    losses.map((loss, i) => [i + 1, loss]),
  )
})
