/**
 * Adapters: files under PEFT's names, and back from them to the same bits.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { loadAdapter, saveAdapter, storedTensors } from '../plugins/peft/mod.ts'
import { openRig, optimizerOf, shake, trainRig } from './adapter-rig.ts'
import type { AdapterSettings } from './adapter-settings.ts'
import { check, type ContractCheck, expectKept, textOf } from './check.ts'
import { expectClose, expectSameBits, snapshot } from './compare.ts'
import { temporaryFolder } from './temporary-folder.ts'
import { logitsOf, tinyModel } from './tiny-model.ts'

export function fileChecks({ rig, device }: AdapterSettings): ContractCheck[] {
  const { definition, learningRate } = rig
  const { name } = definition
  return [
    check(`${name}: is saved and loaded to the same bits`, () => {
      using folder = temporaryFolder()
      let adapted = new Float32Array()
      let saved = new Map<string, Uint8Array>()
      {
        using opened = openRig(rig, { device }, 5)
        using optimizer = optimizerOf(opened.adapter)
        shake(opened.adapter)
        trainRig(opened, optimizer, { to: 3, learningRate })
        saveAdapter(folder.path, opened.adapter, { baseModel: null, unfinished: true })
        adapted = Float32Array.from(logitsOf(opened.model))
        using stored = storedTensors(opened.adapter)
        saved = snapshot(stored.tensors)
      }
      using model = tinyModel({ device })
      using loaded = loadAdapter(model, folder.path, { definitions: { [name]: definition } })
      const lookAt = `parameters() of ${name}: every tensor that forward uses and that training or the seed made, under one name each`
      expectSameBits('the tensors that were saved', snapshot(loaded.tensors), saved, lookAt)
      expectClose('the logits before it was saved', logitsOf(model), adapted, { tolerance: 0, lookAt })
    }),
    check(`${name}: its finished files give the same model`, () => {
      using folder = temporaryFolder()
      let adapted = new Float32Array()
      {
        using opened = openRig(rig, { device }, 5)
        using optimizer = optimizerOf(opened.adapter)
        shake(opened.adapter)
        trainRig(opened, optimizer, { to: 3, learningRate })
        saveAdapter(folder.path, opened.adapter, { baseModel: null })
        adapted = Float32Array.from(logitsOf(opened.model))
      }
      using model = tinyModel({ device })
      using _loaded = loadAdapter(model, folder.path, { definitions: { [name]: definition } })
      expectClose('the logits before it was saved', logitsOf(model), adapted, {
        tolerance: 1e-6,
        lookAt: `finished() of ${name}: what it leaves out must not count any more`,
      })
    }),
    check(`${name}: its files have PEFT's names`, () => {
      using folder = temporaryFolder()
      using opened = openRig(rig, { device })
      const { adapter } = opened
      saveAdapter(folder.path, adapter, { baseModel: 'base' })
      const config: Record<string, unknown> = JSON.parse(
        readFileSync(join(folder.path, 'adapter_config.json'), 'utf8'),
      )
      const lookAt = `parameters() of ${name}: names as PEFT has them after the module path, lora_A.weight and the like`
      for (const [file, { dtype }] of adapter.tensors) {
        const isNamed = /^[A-Za-z_]\w*(\.\w+)*$/.test(file) && !file.includes('.default.')
        expectKept(isNamed, () => ({ expected: 'words with dots between them', got: file, lookAt }))
        expectKept(dtype === 'f32', () => ({ expected: `${file} is f32`, got: dtype, lookAt }))
      }
      for (const [path, one] of adapter.adapters)
        for (const key of Object.keys(one.parameters()))
          expectKept(adapter.tensors.has(`base_model.model.${path}.${key}`), () => ({
            expected: `a tensor base_model.model.${path}.${key}`,
            got: [...adapter.tensors.keys()].join(', '),
            lookAt,
          }))
      const wanted = definition.peft
        ? { peft_type: definition.peft.type, task_type: 'CAUSAL_LM' }
        : { tritune_adapter: name, task_type: 'CAUSAL_LM' }
      for (const [key, value] of Object.entries(wanted))
        expectKept(config[key] === value, () => ({
          expected: `${key}: ${value} in adapter_config.json`,
          got: textOf(config[key] ?? 'nothing'),
          lookAt: `peft of ${name}: type, and write()`,
        }))
    }),
  ]
}
