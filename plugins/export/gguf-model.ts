/**
 * A model with its active adapters folded in → a GGUF file.
 */
import { type Model, TrituneError } from '../../core/mod.ts'
import {
  copiedTokenizerMetadata,
  type GgufFileType,
  NO_TOKENIZER,
  openGguf,
  tokenizerMetadata,
  writeGgufModel,
  type WrittenGguf,
} from '../gguf/mod.ts'
import { readRopeConfig, ropeFrequencies } from '../models/mod.ts'
import { mergedConfig, mergedSources } from '../peft/mod.ts'
import { readTokenizerFiles } from '../tokenizer/mod.ts'

/** What of a file is not in the model. */
export interface GgufModelOptions {
  readonly fileType: GgufFileType
  /** `general.name` */
  readonly name: string
  /** Folder or .gguf file; null: the file gets no tokenizer. */
  readonly tokenizerPath: string | null
  /** Named in errors: where the model comes from. */
  readonly place: string
}

/**
 * Writes an open model, with its active adapters folded in.
 *
 * @throws as `writeGgufModel`; nothing is left behind
 */
export function exportGgufModel(
  path: string,
  model: Model,
  { fileType, name, tokenizerPath, place }: GgufModelOptions,
): WrittenGguf {
  const config = { model_type: model.info.type, ...mergedConfig(model), vocab_size: model.info.vocabSize }
  const ropeFactors = ropeFactorsOf(model)
  return writeGgufModel(path, {
    config,
    tensors: mergedSources(model),
    fileType,
    name,
    place,
    tokenizer: (vocabSize) => {
      if (tokenizerPath === null) return NO_TOKENIZER
      if (tokenizerPath.endsWith('.gguf')) return copiedTokenizerMetadata(openGguf(tokenizerPath))
      return tokenizerMetadata(readTokenizerFiles(tokenizerPath), vocabSize)
    },
    ...(ropeFactors === null ? {} : { ropeFactors }),
  })
}

/** Where frequencies are divided one by one, llama.cpp has a tensor of the divisors. */
function ropeFactorsOf({ info }: Model): number[] | null {
  if (info.type === 'gpt2' || info.type.startsWith('gemma3')) return null
  const rope = readRopeConfig(info.config, info.headSize)
  if (rope.scaling.type !== 'llama3' && rope.scaling.type !== 'factors') return null
  if (rope.dim !== info.headSize)
    throw new TrituneError('E_UNSUPPORTED', 'heads that are rotated in part cannot be a GGUF file')
  const plain = ropeFrequencies({ ...rope, scaling: { type: 'default' } }).frequencies
  return ropeFrequencies(rope).frequencies.map((frequency, i) => plain[i] / frequency)
}
