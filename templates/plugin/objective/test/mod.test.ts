import assert from 'node:assert/strict'
import { test } from 'node:test'
import { backward, parameter, sum, tensor, tensorScope } from 'tritune/core'
import { objectiveContract } from 'tritune/testing'
import { logSumExp, myObjective, plugin } from '../src/mod.ts'
import { trainExample } from '../../common/test/train-example.ts'

const LOGITS = [1000, 1001, -1000, 0.5, -0.5, 2]

// What every objective promises, as checks that come with tritune.
for (const { name, run } of objectiveContract(myObjective, { wrongOptions: [{ weight: -1 }] }))
  test(name, run)

test('log Σ exp of logits that are large, and its gradient: the softmax', () => {
  const logits = parameter(tensor(LOGITS, { shape: [2, 3] }))
  const scope = tensorScope()
  const z = logSumExp(logits)
  close(z.toArray(), [
    1001 + Math.log1p(Math.exp(-1)),
    Math.log(Math.exp(0.5) + Math.exp(-0.5) + Math.exp(2)),
  ])
  backward(sum(z))
  scope[Symbol.dispose]()
  const rows = [LOGITS.slice(0, 3), LOGITS.slice(3)]
  close(logits.grad?.toArray() ?? [], rows.flatMap(softmaxOf))
  logits.grad?.dispose()
  logits.grad = null
  logits.dispose()
})

test('it trains, and a resumed run has the same losses to the last bit', { timeout: 60_000 }, async () => {
  const { losses, resumed } = await trainExample(plugin)
  assert.ok(Math.min(...losses.slice(4)) < losses[0]!, `the loss does not fall: ${losses.join(' ')}`)
  assert.deepEqual(resumed, losses.slice(4))
})

function softmaxOf(row: readonly number[]): number[] {
  const powers = row.map((value) => Math.exp(value - Math.max(...row)))
  return powers.map((power) => power / powers.reduce((a, b) => a + b, 0))
}

function close(actual: ArrayLike<number>, expected: readonly number[]): void {
  assert.equal(actual.length, expected.length)
  for (const [i, value] of expected.entries())
    assert.ok(
      Math.abs((actual[i] ?? Number.NaN) - value) <= 1e-6 * Math.max(1, Math.abs(value)),
      `${i}: ${actual[i]}`,
    )
}
