/**
 * The last move of the weights: undone to the bit, left out of what came after it, put back to the bit.
 */
import { expect, test } from 'bun:test'
import { parameter, tensor, zeros } from '../../../core/mod.ts'
import { flatWeights, numbersIn } from '../../../plugins/hybrid/flat-weights.ts'
import { createJump } from '../../../plugins/hybrid/jump.ts'

test('a move, undone before the next step or taken out after it', () => {
  using a = parameter(tensor([0.1, 1e-8]))
  using b = parameter(tensor([3, -0.7]))
  const weights = flatWeights(
    new Map([
      ['a', a],
      ['b', b],
    ]),
  )
  using jump = createJump(weights)
  const now = (): number[] => [...weights.read(new Float32Array(4))]
  const start = now()
  const move = [0.3, -1e-3, 0.25, 7]
  const make = (): void => jump.make(5, (into) => into.set(move))

  make()
  expect(jump.at).toBe(5)
  for (const [i, value] of now().entries()) expect(value).toBe(Math.fround(start[i] + Math.fround(move[i])))
  jump.undo()
  expect(jump.at).toBe(null)
  expect(now()).toEqual(start)

  make()
  numbersIn(a)[0] += 0.5
  const trained = now()
  jump.leaveOut()
  expect(now()[0]).toBeCloseTo(start[0] + 0.5, 6)
  expect(now()[3]).toBeCloseTo(start[3], 6)
  jump.putBack()
  expect(jump.at).toBe(null)
  expect(now()).toEqual(trained)
})

test('weights that are not f32 are refused by name', () => {
  using half = zeros([2], { dtype: 'bf16' })
  expect(() => flatWeights(new Map([['q_proj.weight', half]]))).toThrow('q_proj.weight is bf16')
})
