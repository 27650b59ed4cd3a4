/** The chat template of AI21's Jamba 1.5 and 1.6, without documents and output modes. */

export const JAMBA: string = String.raw`
{%- macro begin(role) %}{{- '<|bom|><|' + role + '|> ' }}{%- endmacro %}
{%- set given = messages and messages[0].role == 'system' %}
{{- '<|startoftext|>' + begin('system') }}
{%- if given %}{{- messages[0].content }}{%- endif %}
{%- if tools %}
  {%- if given and messages[0].content %}{{- '\n\n' }}{%- endif %}
  {{- '<tool_definitions>\n# Tools\n\n## Functions' }}
  {%- for tool in tools %}
    {%- if 'type' in tool and tool.type != 'function' %}
      {{- raise_exception('Currently, the only supported tool type is function') }}
    {%- endif %}
    {{- '\n\n' + (tool.function if 'type' in tool else tool) | tojson(indent=2) }}
  {%- endfor %}
  {{- '\n</tool_definitions>' }}
{%- endif %}
{%- for message in (messages[1:] if given else messages) %}
  {{- '<|eom|>' + begin(message.role) + ('(' + message.name + ')' if message.name else '') }}
  {{- message.content or '' }}
  {%- if message.role == 'assistant' and message.tool_calls %}
    {{- '<tool_calls>[\n' }}
    {%- for call in message.tool_calls %}
      {%- set called = call.function if 'function' in call else call %}
      {{- '    {"name": "' + called.name + '", "arguments": ' }}
      {{- (called.arguments if called.arguments is string else called.arguments | tojson) + '}' }}
      {%- if not loop.last %}{{- ',\n' }}{%- endif %}
    {%- endfor %}
    {{- '\n]</tool_calls>' }}
  {%- endif %}
{%- endfor %}
{{- '<|eom|>' }}
{%- if add_generation_prompt %}{{- '<|bom|><|assistant|>' }}{%- endif %}`
