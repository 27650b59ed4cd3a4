/**
 * ChatML (https://github.com/openai/openai-python/blob/release-v0.28.0/chatml.md), without a default system message, and the templates
 * that differ from it in little.
 */

export const CHATML: string =
  "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + " +
  "'\\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"

const END = String.raw`
{%- if add_generation_prompt %}{{- '<|im_start|>assistant\n' }}{%- endif %}`

/** Nemotron-H: a system message first, then user and assistant. */
export const NEMOTRON_H: string = String.raw`
{%- for message in messages %}
  {%- if message.role not in ['user', 'assistant'] and not (loop.first and message.role == 'system') %}
    {{- raise_exception('Unexpected role: ' + message.role) }}
  {%- endif %}
  {{- '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>\n' }}
{%- endfor %}${END}`

/** Falcon-H1: tools in the system message. */
export const FALCON_H1: string = String.raw`
{{- bos_token }}
{%- set system = messages[0].content if messages[0].role == 'system' else none %}
{%- if tools %}
  {{- '<|im_start|>system\n' }}
  {%- if system is not none %}{{- system + '\n\n' }}{%- endif %}
  {{- 'You are a function calling AI model. You are provided with function signature within <tools> </tools> XML tags. ' }}
  {{- 'You may call one or more functions to assist with the user query. ' }}
  {{- "Don't make assumptions about what values to plug into functions.\n<tools>\n" }}
  {%- for tool in tools %}{{- '[' + tool | tojson + ']' }}{%- endfor %}
  {{- '\n</tools>\nFor each function call, return a json object with function name and arguments within <tool_call> ' }}
  {{- "</tool_call> tags with the following schema:\n<tool_call>\n{'arguments': <args-dict>, 'name': <function-name>}\n" }}
  {{- '</tool_call>\n' }}
{%- elif system is not none %}
  {{- '<|im_start|>system\n' + system + '<|im_end|>\n' }}
{%- endif %}
{%- for message in messages if message.role != 'system' %}
  {{- '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>\n' }}
{%- endfor %}${END}`

/** Qwen2-VL, for texts: an assistant that is helpful where nothing else is said. */
export const QWEN2_VL: string = String.raw`
{%- if messages and messages[0].role != 'system' %}
  {{- '<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n' }}
{%- endif %}
{%- for message in messages %}
  {{- '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>\n' }}
{%- endfor %}${END}`
