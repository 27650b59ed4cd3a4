/**
 * Every method beside PEFT: its files, logits, gradients, steps and merged weights, for each folder of tests/golden/peft-methods
 * (tests/oracle/peft_methods.py).
 */
import { describe, expect, test } from 'bun:test'
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { referenceDevice } from '../../../core/mod.ts'
import { openCpu } from '../../../plugins/cpu/mod.ts'
import { loadModel } from '../../../plugins/models/mod.ts'
import { loadAdapter, saveAdapter } from '../../../plugins/peft/mod.ts'
import { GOLDEN, logitsOf, relativeError, temporaryFolder } from '../../_golden.ts'
import { HAS_EMULATOR, openEmulated } from '../../cuda/_emulated.ts'
import {
  attachLike,
  configDifferences,
  measureGradients,
  measureLogits,
  measureMerge,
  measureSteps,
  openMethod,
  readConfig,
  tensorDifferences,
} from './_methods.ts'

const cpu = openCpu()
const emulated = HAS_EMULATOR ? [openEmulated()] : []
const devices = [cpu, referenceDevice, ...emulated].map((device) => [device.name, device] as const)

describe.each(readdirSync(join(GOLDEN, 'peft-methods')))('%s', (name) => {
  const golden = openMethod(join(GOLDEN, 'peft-methods', name))

  test.each(devices)('the logits of PEFT on %s', (_, device) => {
    const { error, effect } = measureLogits(golden, device)
    expect(error).toBeLessThanOrEqual(1e-5)
    expect(effect).toBeCloseTo(golden.info.effect, 3)
  })

  test.each(devices)('the gradients of PEFT on %s', (_, device) => {
    for (const checkpointing of [false, true]) {
      const { error, worst, loss } = measureGradients(golden, device, checkpointing)
      expect({ worst, isNear: error <= 1e-5 }).toEqual({ worst, isNear: true })
      expect(loss).toBeLessThanOrEqual(1e-5)
    }
  })

  test('the losses of the first steps of PEFT', () => {
    expect(measureSteps(golden, cpu)).toBeLessThanOrEqual(1e-4)
  })

  test('the files of PEFT', () => {
    using model = loadModel(golden.base, { device: cpu })
    using adapter = attachLike(model, golden)
    using temporary = temporaryFolder()
    saveAdapter(temporary.path, adapter, { baseModel: golden.info.base })
    expect(configDifferences(readConfig(temporary.path), golden.config)).toEqual([])
    expect(tensorDifferences(temporary.path, golden.folder)).toEqual([])
  })

  const trained = join(golden.folder, 'trained')
  if (existsSync(trained))
    test('the files of PEFT after those steps', () => {
      using temporary = temporaryFolder()
      measureSteps(golden, cpu, (_, adapter) =>
        saveAdapter(temporary.path, adapter, { baseModel: golden.info.base }),
      )
      expect(configDifferences(readConfig(temporary.path), readConfig(trained))).toEqual([])
      expect(tensorDifferences(temporary.path, trained)).toEqual([])
      using model = loadModel(golden.base, { device: cpu })
      using _loaded = loadAdapter(model, temporary.path)
      const ours = Float32Array.from(logitsOf(model, golden.sequences))
      using again = loadModel(golden.base, { device: cpu })
      using _theirs = loadAdapter(again, trained)
      expect(relativeError(ours, logitsOf(again, golden.sequences))).toBeLessThanOrEqual(1e-4)
    })

  if (golden.info.merges)
    test('the merged weights of PEFT', () => {
      expect(measureMerge(golden, cpu)).toBeLessThanOrEqual(1e-5)
    })
})
