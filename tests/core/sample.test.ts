/**
 * sample(): logits of a model that has diverged are met in the same way by the reference and by the CPU.
 */
import { expect, test } from 'bun:test'
import { type Device, referenceDevice, sample, tensor, tensorScope, useDevice } from '../../core/mod.ts'
import { openCpuOrReference } from '../../plugins/cpu/mod.ts'

const { device: cpu, note } = openCpuOrReference({ threads: 2 })
const [NONE, MOST] = [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY]

interface Settings {
  readonly temperature: number
  readonly topK: number
  readonly topP: number
}

function draw(device: Device, rows: readonly (readonly number[])[], settings: Settings): number[] {
  using _device = useDevice(device)
  using _scope = tensorScope()
  const rest = { repetitionPenalty: 1, key: new Uint32Array(6), history: null }
  return [
    ...sample(tensor(rows.flat(), { shape: [rows.length, 4], device }), { ...settings, ...rest }).toArray(),
  ]
}

const SETTINGS: readonly Settings[] = [
  { temperature: 0, topK: 0, topP: 1 },
  { temperature: 1, topK: 1, topP: 1 },
  { temperature: 1, topK: 2, topP: 1 },
  { temperature: 1, topK: 0, topP: 0.9 },
]

for (const settings of SETTINGS) {
  test.skipIf(note !== null)(`with ${JSON.stringify(settings)}`, () => {
    for (const device of [referenceDevice, cpu]) {
      // A number wins over none, the first infinity over all.
      const rows = [
        [NaN, NONE, -3e38, NaN],
        [1, MOST, NaN, MOST],
      ]
      expect(draw(device, rows, settings)).toEqual([2, 1])
      for (const row of [
        [NaN, NaN, NaN, NaN],
        [NONE, NaN, NONE, NONE],
      ])
        expect(() => draw(device, [[0, 1, 2, 3], row], settings)).toThrow(
          'row 1 of the logits has no number above -Inf (all NaN or -Inf)',
        )
    }
  })
}
