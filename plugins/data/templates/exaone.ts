/** Chat templates of LG's EXAONE 3 and 4. */

export const EXAONE: string = String.raw`
{%- for message in messages %}
  {%- if loop.first and message.role != 'system' %}{{- '[|system|][|endofturn|]\n' }}{%- endif %}
  {{- '[|' + message.role + '|]' + message.content + ('' if message.role == 'user' else '[|endofturn|]') + '\n' }}
{%- endfor %}
{%- if add_generation_prompt %}{{- '[|assistant|]' }}{%- endif %}`

/** Thoughts are left out of what is trained: an empty one stands in their place. */
export const EXAONE4: string = String.raw`
{%- macro told() %}
  {{- '# Available Tools\nYou can use none, one, or multiple of the following tools by calling them as functions to help with ' }}
  {{- 'the user’s query.\nHere are the tools available to you in JSON format within <tool> and </tool> tags:\n' }}
  {%- for tool in tools %}{{- '<tool>' + tool | tojson(ensure_ascii=False) + '</tool>\n' }}{%- endfor %}
  {{- '\nFor each function call you want to make, return a JSON object with function name and arguments within <tool_call> and ' }}
  {{- '</tool_call> tags, like:\n<tool_call>{"name": function_1_name, "arguments": {argument_1_name: argument_1_value, ' }}
  {{- 'argument_2_name: argument_2_value}}</tool_call>\n<tool_call>{"name": function_2_name, "arguments": {...}}</tool_call>\n' }}
  {{- '...\nNote that if no argument name is specified for a tool, you can just print the argument value directly, without the ' }}
  {{- 'argument name or JSON formatting.' }}
{%- endmacro %}
{%- macro answer(text, thought, is_last) %}
  {{- '<think>\n' + (thought if is_last and thought and skip_think is defined and not skip_think else '') + '\n</think>\n\n' + text }}
{%- endmacro %}
{%- for message in messages %}
  {%- set role = message.role %}
  {%- if role not in ['user', 'assistant', 'system', 'tool'] %}{{- raise_exception('Unknown role: ' + role) }}{%- endif %}
  {%- if loop.first and role != 'system' and tools %}{{- '[|system|]\n' + told() + '[|endofturn|]\n' }}{%- endif %}
  {%- if role == 'assistant' %}
    {{- '[|assistant|]\n' }}
    {%- if message.content %}
      {%- set parts = message.content.split('</think>') %}
      {%- set thought = parts[0].strip().removeprefix('<think>').strip() if parts | length > 1 else '' %}
      {{- answer(parts[-1].strip() if parts | length > 1 else message.content, message.reasoning_content or thought, loop.last) }}
    {%- endif %}
    {%- if message.tool_calls %}
      {{- '\n' if message.content else answer('', '', false) }}
      {%- for call in message.tool_calls %}
        {%- set called = call.function if call.function is defined else call %}
        {{- '<tool_call>{"name": "' + called.name + '", "arguments": ' }}
        {{- (called.arguments if called.arguments is defined else called.parameters) | tojson(ensure_ascii=False) }}
        {{- '}</tool_call>' + ('' if loop.last else '\n') }}
      {%- endfor %}
    {%- endif %}
    {{- '[|endofturn|]\n' }}
  {%- elif role == 'tool' %}
    {%- if loop.first or messages[loop.index0 - 1].role != 'tool' %}{{- '[|tool|]\n' }}{%- endif %}
    {{- '<tool_result>{"result": ' + message.content | tojson(ensure_ascii=False) + '}</tool_result>' }}
    {{- '[|endofturn|]\n' if loop.last or messages[loop.index0 + 1].role != 'tool' else '\n' }}
  {%- else %}
    {{- '[|' + role + '|]\n' + message.content }}
    {%- if loop.first and role == 'system' and tools %}{{- '\n\n' + told() }}{%- endif %}
    {{- '[|endofturn|]\n' }}
  {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
  {{- '[|assistant|]\n<think>\n' }}
  {%- if enable_thinking is not defined or enable_thinking is not true %}{{- '\n</think>\n\n' }}{%- endif %}
{%- endif %}`
