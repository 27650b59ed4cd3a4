/**
 * Which checkpoints of several workers a run goes on from.
 */
import { expect, test } from 'bun:test'
import { expectSameExchange, expectSameWorkers } from '../../../plugins/finetune/parallel/worker-states.ts'
import { thrownBy } from '../vsa-optim/_thrown.ts'

const of = (exchange: string): { readonly 'strategy.0.diloco': { readonly exchange: string } } => ({
  'strategy.0.diloco': { exchange },
})

test('the way of exchanging is kept; checkpoints of earlier versions are of a gather', () => {
  expectSameExchange(of('two-hop'), of('two-hop'))
  expectSameExchange({ 'strategy.0.diloco': { every: 5 } }, of('gather'))
  expect(thrownBy(() => expectSameExchange(of('two-hop'), of('gather')))).toEqual([
    'E_RESUME',
    'the checkpoint is of diloco.exchange two-hop, this run is of gather',
  ])
  expect(thrownBy(() => expectSameExchange({}, of('two-hop')))[1]).toContain('is of diloco.exchange gather')
})

test('so is the number of workers, unless another one is allowed', () => {
  expectSameWorkers({ workers: [1, 2] }, 3, false)
  expectSameWorkers({}, 1, false)
  expectSameWorkers({ workers: [1] }, 3, true)
  expect(thrownBy(() => expectSameWorkers({ workers: [1] }, 3, false))[1]).toContain(
    'of 2 workers, these are 3',
  )
})
