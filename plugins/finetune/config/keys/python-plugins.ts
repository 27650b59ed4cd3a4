/**
 * The plugins of axolotl itself, which are Python: those whose work is done here without them, and those whose keys say alone whether anything is asked for.
 */
import { ignored, type IgnoredKey } from './key-fact.ts'

/** Plugins of axolotl that change nothing here, with the reason. */
export const IGNORED_PLUGINS: Readonly<Record<string, IgnoredKey>> = {
  ...ignored('it only saves time and memory', [
    'axolotl.integrations.liger.LigerPlugin',
    'axolotl.integrations.cut_cross_entropy.CutCrossEntropyPlugin',
    'axolotl.integrations.kernels.KernelsPlugin',
  ]),
  ...ignored('the key llmcompressor says what is asked for', [
    'axolotl.integrations.llm_compressor.LLMCompressorPlugin',
  ]),
  ...ignored('one device needs no sharding', ['axolotl.integrations.expert_parallel.ExpertParallelPlugin']),
  ...ignored('nothing is reported to a service; metrics.jsonl in output_dir has every number', [
    'axolotl.integrations.swanlab.SwanLabPlugin',
  ]),
}
