/**
 * /v1/models: what can be asked for, in one form that OpenAI's and Anthropic's clients both read.
 */
import { type HttpReply, jsonReply } from '../../http/mod.ts'
import type { Serving } from '../model/serving.ts'
import type { ServedVoice } from '../model/served-model.ts'

export function listModels(serving: Serving): HttpReply {
  const data = [...serving.served.voices.values()].map((voice) => describe(serving, voice))
  return jsonReply({
    object: 'list',
    data,
    has_more: false,
    first_id: data[0]?.id ?? null,
    last_id: data.at(-1)?.id ?? null,
  })
}

/** E_NAME for one that is not served. */
export function oneModel(serving: Serving, name: string): HttpReply {
  return jsonReply(describe(serving, serving.served.voice(name)))
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function describe(
  { served, tokens }: Serving,
  { name, parent, tokenizer }: ServedVoice,
): { readonly id: string } {
  const description = {
    id: name,
    object: 'model',
    created: served.created,
    owned_by: 'tritune',
    parent,
    root: parent ?? name,
    max_model_len: tokens,
    has_chat_template: tokenizer.hasChatTemplate,
    // For Anthropic's clients.
    type: 'model',
    display_name: name,
    created_at: new Date(served.created * 1000).toISOString(),
  }
  return description
}
