/**
 * The numbers of a window on several processes: what is no number on one of them is none together.
 */
import { describe, expect, test } from 'bun:test'
import { TrituneError, type World } from '../../../core/mod.ts'
import { isOfOther } from '../../../core/agree.ts'
import { exactJson } from '../../../core/exact-json.ts'
import { isNaNElsewhere, tellingNaNOnce } from '../../../plugins/finetune/parallel/nan-of-all.ts'
import { shareNumbers } from '../../../plugins/finetune/parallel/share-gradients.ts'

/** Of this process and one more, which says these texts one after the other. */
function worldOf(rank: 0 | 1, ...texts: string[]): World {
  const gather = (own: string): string[] => {
    const other = texts.shift()
    if (other === undefined) throw new Error('the other process has nothing more to say')
    return rank === 0 ? [own, other] : [other, own]
  }
  const unasked = (): never => {
    throw new Error('not asked for')
  }
  return {
    rank,
    size: 2,
    localRank: rank,
    localSize: 2,
    patience: 0,
    description: '',
    sum: unasked,
    sumPart: unasked,
    collect: unasked,
    exchange: unasked,
    gather,
    broadcast: unasked,
    onDevice: () => null,
    abort: unasked,
    forsake: unasked,
    [Symbol.dispose]() {},
  }
}

function caught(work: () => unknown): Error {
  try {
    work()
  } catch (error) {
    if (error instanceof Error) return error
    throw error
  }
  throw new Error('nothing was thrown')
}

const nan = (): never => {
  throw new TrituneError('E_NAN', 'the loss of step 3 is NaN')
}

describe('shareNumbers()', () => {
  test.each([Number.NaN, Number.POSITIVE_INFINITY])('a loss of %d on one process is that of all', (loss) => {
    const other = exactJson({ loss, log: { kl: loss } })
    const own = { loss: 1, log: { kl: 2 } }
    expect(shareNumbers(worldOf(0, '', other), () => own)).toEqual({ loss, log: { kl: loss } })
  })

  test('E_NAN of one process is E_NAN on both, and told by the one that found it', () => {
    const here = worldOf(1, '', exactJson({ loss: 1, log: {} }), '')
    const found = caught(() => tellingNaNOnce(here, () => shareNumbers(here, nan)))
    expect([found.message, isNaNElsewhere(found), isOfOther(found)]).toEqual([
      'the loss of step 3 is NaN',
      false,
      false,
    ])

    const there = worldOf(0, '', exactJson(null), '!the loss of step 3 is NaN')
    const once = caught(() => shareNumbers(there, () => ({ loss: 1, log: {} })))
    expect([once instanceof TrituneError && once.code, isNaNElsewhere(once)]).toEqual(['E_NAN', true])
    const told = caught(() =>
      tellingNaNOnce(there, () => {
        throw once
      }),
    )
    expect([told.message, isOfOther(told)]).toEqual([
      'process 1 of 2 stopped: the loss of step 3 is NaN',
      true,
    ])
  })
})
