/**
 * Texts in batches by the CUDA kernels: the tokens that the CPU chooses.
 */
import { expect, test } from 'bun:test'
import { join } from 'node:path'
import type { Device } from '../../core/mod.ts'
import { openCpu } from '../../plugins/cpu/mod.ts'
import { generateBatch } from '../../plugins/generate/mod.ts'
import { loadModel } from '../../plugins/models/mod.ts'
import { GOLDEN } from '../_golden.ts'
import { HAS_EMULATOR, openEmulated } from './_emulated.ts'

const PROMPTS = [[5, 17, 42, 9], [3], [5, 17, 42, 9], [8, 8, 1]]

function textsOn(device: Device): number[][] {
  using model = loadModel(join(GOLDEN, 'models/llama'), { device })
  const made: number[][] = PROMPTS.map(() => [])
  const options = { maxNewTokens: 5, temperature: 1.5, seeds: [1, 2, 3, 4], rowsAtOnce: 3 }
  for (const { row, id } of generateBatch(model, PROMPTS, options)) made[row].push(id)
  return made
}

test.skipIf(!HAS_EMULATOR)('rows of a cache on a GPU give the tokens of the CPU', () => {
  expect(textsOn(openEmulated())).toEqual(textsOn(openCpu()))
})
