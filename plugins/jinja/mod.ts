/** Jinja templates for chats. See README.md. */
export { type Budget, DEFAULT_BUDGET } from './run.ts'
export { compileTemplate, type Rendered, type RenderOptions, type Template } from './template.ts'
