/**
 * Three suites without a test runner, in whatever runtime runs this: the last line says how many promises were kept.
 */
import { crossEntropy } from '../../plugins/finetune/training/cross-entropy.ts'
import { MODELS } from '../../plugins/models/mod.ts'
import { lora } from '../../plugins/peft/mod.ts'
import { adapterContract, modelContract, objectiveContract, runContract } from '../../testing/mod.ts'
import { TINY_CONFIG } from '../../testing/tiny-model.ts'

const checks = [
  ...adapterContract(lora),
  ...objectiveContract(crossEntropy),
  ...modelContract(MODELS.llama, { config: TINY_CONFIG }),
]
const { text, failed } = await runContract(checks)
console.log(text)
if (failed.length > 0) process.exitCode = 1
