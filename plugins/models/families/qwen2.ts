/**
 * qwen2: Qwen2 and Qwen2.5; biases on q, k, v, and a window on the upper layers when the config asks for it
 * (arXiv 2407.10671).
 */
import type { ModelDefinition } from '../../../core/mod.ts'
import { createDecoder } from '../decoder/decoder.ts'
import { qwenWindow } from '../decoder/windows.ts'

export const qwen2: ModelDefinition = {
  name: 'qwen2',
  create: (config, weights) =>
    createDecoder(config, weights, {
      type: 'qwen2',
      architecture: 'Qwen2ForCausalLM',
      qkvBias: true,
      window: qwenWindow(config),
    }),
}
