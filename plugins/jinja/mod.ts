/**
 * Jinja templates for chats. See README.md.
 *
 * @module
 */
export { type Budget, DEFAULT_BUDGET } from './run.ts'
export { parseExactJson } from './exact-json.ts'
export {
  compileTemplate,
  type Rendered,
  type RenderOptions as TemplateRenderOptions,
  type Template,
} from './template.ts'
