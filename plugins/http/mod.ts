/**
 * What every local server of tritune needs: routes, a guard, streams with back-pressure. See README.md.
 *
 * @module
 */
export { isLoopback, newToken } from './guard.ts'
export { HttpRefusal, type HttpRefusalOptions, statusOf } from './refusal.ts'
export { jsonReply, type HttpReply, type ReplyBody } from './reply.ts'
export type { HttpHeaders, HttpQuery } from './node-message.ts'
export type { HttpBytes, HttpRequest } from './request.ts'
export type { HttpHandler, HttpMethod, Route } from './routes.ts'
export { eventReply, type ServerSentEvent, serverSentText } from './server-sent-events.ts'
export { type HttpServer, type HttpServerOptions, openHttpServer } from './server.ts'
export { type FileAddress, type FileSource, fileRoutes } from './static-files.ts'
