/**
 * The files that make a tokenizer, read from a Hugging Face folder or taken from a GGUF file. Only parses and locates;
 * what the values mean is decided in tokenizer.ts.
 */

import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { TrituneError } from '../../core/errors.ts'
import { fileError } from '../../core/files/files.ts'
import type { GgufFile } from '../gguf/mod.ts'
import { ggufTokenizer, openGguf } from '../gguf/mod.ts'
import { readTekken } from './tekken.ts'
import { isJson, type Json, templatesOf, tokenIds, type TokenizerFiles } from './parsed-files.ts'

/** A Hugging Face folder, a `.gguf` file, an opened GGUF file, or the files themselves. */
export type TokenizerSource = string | GgufFile | TokenizerFiles

/**
 * Reads the files of a tokenizer from a folder or a GGUF file; what has been read is returned as it is.
 *
 * @throws E_TOKENIZER when the folder has no tokenizer, naming what was looked for; E_FORMAT for bad JSON; for GGUF files
 * what `ggufTokenizer` throws
 */
export function readTokenizerFiles(source: TokenizerSource): TokenizerFiles {
  if (typeof source !== 'string') return 'chatTemplates' in source ? source : fromGguf(source)
  if (source.endsWith('.gguf')) return fromGguf(openGguf(source))
  return fromFolder(source)
}

function fromGguf(file: GgufFile): TokenizerFiles {
  const { tokenizer, tokenizerConfig, eosIds } = ggufTokenizer(file)
  const chatTemplates = templatesOf(file.path, tokenizerConfig['chat_template'])
  return { place: file.path, tokenizer, config: tokenizerConfig, chatTemplates, stopIds: eosIds }
}

function fromFolder(folder: string): TokenizerFiles {
  const tokenizerPath = join(folder, 'tokenizer.json')
  const tekkenPath = join(folder, 'tekken.json')
  const isTekken = !existsSync(tokenizerPath) && existsSync(tekkenPath)
  if (!existsSync(tokenizerPath) && !isTekken) throw missing(folder)
  const tekken = isTekken ? readTekken(readJson(tekkenPath), tekkenPath) : null
  const configPath = join(folder, 'tokenizer_config.json')
  const mapPath = join(folder, 'special_tokens_map.json')
  const generationPath = join(folder, 'generation_config.json')
  const config = {
    ...tekken?.config,
    ...(existsSync(mapPath) ? readJson(mapPath) : {}),
    ...(existsSync(configPath) ? readJson(configPath) : {}),
  }
  const generation = existsSync(generationPath) ? readJson(generationPath) : {}
  return {
    place: folder,
    tokenizer: tekken?.tokenizer ?? readJson(tokenizerPath),
    config,
    chatTemplates: new Map([...templatesOf(configPath, config['chat_template']), ...templateFiles(folder)]),
    stopIds: tokenIds(generationPath, generation['eos_token_id']),
  }
}

/** chat_template.jinja and additional_chat_templates/NAME.jinja, which transformers prefers to the config. */
function templateFiles(folder: string): Map<string, string> {
  const templates = new Map<string, string>()
  const main = join(folder, 'chat_template.jinja')
  if (existsSync(main)) templates.set('default', readFileSync(main, 'utf8'))
  const more = join(folder, 'additional_chat_templates')
  if (existsSync(more)) {
    for (const name of readdirSync(more).filter((item) => item.endsWith('.jinja'))) {
      templates.set(name.slice(0, -'.jinja'.length), readFileSync(join(more, name), 'utf8'))
    }
  }
  return templates
}

function readJson(path: string): Json {
  let value: unknown
  try {
    value = JSON.parse(readFileSync(path, 'utf8'))
  } catch (error) {
    // Too deep a nesting ends in a RangeError.
    if (!(error instanceof SyntaxError || error instanceof RangeError))
      throw fileError(error, path, 'cannot read')
    throw new TrituneError('E_FORMAT', `not valid JSON (${error.message})`, {
      place: path,
      remedy: 'the file is damaged: download or copy it again',
      cause: error,
    })
  }
  if (!isJson(value)) throw new TrituneError('E_FORMAT', 'not a JSON object', { place: path })
  return value
}

function missing(folder: string): TrituneError {
  if (!existsSync(folder)) {
    return new TrituneError('E_TOKENIZER', 'no tokenizer: there is no such folder', { place: folder })
  }
  if (!statSync(folder).isDirectory()) {
    return new TrituneError('E_TOKENIZER', 'no tokenizer: it is neither a folder nor a .gguf file', {
      place: folder,
    })
  }
  const legacy = ['tokenizer.model', 'vocab.json', 'vocab.txt', 'spiece.model'].filter((name) =>
    existsSync(join(folder, name)),
  )
  const found = legacy.length > 0 ? `; it has ${legacy.join(', ')}, which only Python reads` : ''
  return new TrituneError('E_TOKENIZER', `no tokenizer: the folder has no tokenizer.json${found}`, {
    place: folder,
    remedy:
      legacy.length > 0
        ? 'in Python, AutoTokenizer.from_pretrained(folder).save_pretrained(folder) writes a tokenizer.json'
        : "copy tokenizer.json and tokenizer_config.json of the base model into the folder, or name that model's folder",
  })
}
