/**
 * The paths of a server.
 */
import { fileRoutes, jsonReply, type Route } from '../http/mod.ts'
import { countTokens, createMessage } from './anthropic/messages.ts'
import type { Serving } from './model/serving.ts'
import { chatCompletions } from './openai/chat-completions.ts'
import { completions } from './openai/completions.ts'
import { listModels, oneModel } from './openai/models.ts'
import { pageFiles } from './page-files.ts'

export function routesOf(serving: Serving): Route[] {
  return [
    ...fileRoutes(pageFiles()),
    { method: 'GET', path: '/health', open: true, handle: () => jsonReply({ status: 'ok' }) },
    { method: 'GET', path: '/v1/models', handle: () => listModels(serving) },
    {
      method: 'GET',
      path: '/v1/models/:model',
      handle: ({ params }) => oneModel(serving, params['model'] ?? ''),
    },
    { method: 'POST', path: '/v1/chat/completions', handle: (request) => chatCompletions(serving, request) },
    { method: 'POST', path: '/v1/completions', handle: (request) => completions(serving, request) },
    { method: 'POST', path: '/v1/messages', handle: (request) => createMessage(serving, request) },
    { method: 'POST', path: '/v1/messages/count_tokens', handle: (request) => countTokens(serving, request) },
  ]
}
