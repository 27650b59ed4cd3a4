/** Chat templates of Google's Gemma (https://ai.google.dev/gemma/docs/core/prompt-structure), for texts. */

const TURNS = String.raw`
{%- for message in turns %}
  {%- if (message.role == 'user') != (loop.index0 % 2 == 0) %}
    {{- raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}
  {%- endif %}
  {{- '<start_of_turn>' + ('model' if message.role == 'assistant' else message.role) + '\n' }}
  {{- (system if loop.first else '') + message.content | trim + '<end_of_turn>\n' }}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<start_of_turn>model\n' }}{%- endif %}`

/** Gemma 1 and 2, which know no system message. */
export const GEMMA: string = String.raw`
{{- bos_token }}
{%- if messages[0].role == 'system' %}{{- raise_exception('System role not supported') }}{%- endif %}
{%- set system = '' %}
{%- set turns = messages %}${TURNS}`

/** Gemma 3 and 3n: the system message stands in the first turn. */
export const GEMMA3: string = String.raw`
{{- bos_token }}
{%- set given = messages[0].role == 'system' %}
{%- set system = messages[0].content + '\n\n' if given else '' %}
{%- set turns = messages[1:] if given else messages %}${TURNS}`

/** Gemma 4 writes JSON with its own quotes and sorted keys. */
const VALUES = String.raw`
{%- macro value_of(value, quoted) %}
  {%- if value is string %}{{- '<|"|>' ~ value ~ '<|"|>' }}
  {%- elif value is boolean %}{{- 'true' if value else 'false' }}
  {%- elif value is mapping %}{{- '{' }}
    {%- for key, item in value | dictsort %}
      {{- (',' if not loop.first else '') ~ ('<|"|>' ~ key ~ '<|"|>' if quoted else key) ~ ':' ~ value_of(item, quoted) }}
    {%- endfor %}{{- '}' }}
  {%- elif value is sequence %}{{- '[' }}
    {%- for item in value %}{{- (',' if not loop.first else '') ~ value_of(item, quoted) }}{%- endfor %}{{- ']' }}
  {%- else %}{{- value }}{%- endif %}
{%- endmacro %}
{%- macro names_of(names) %}{{- '[' }}
  {%- for name in names %}{{- (',' if not loop.first else '') ~ '<|"|>' ~ name ~ '<|"|>' }}{%- endfor %}{{- ']' }}
{%- endmacro %}`

/** A tool by its JSON schema. */
const DECLARATIONS = String.raw`
{%- macro items_of(items) %}
  {%- set parts = namespace(all=[]) %}
  {%- for key, item in items | dictsort if item is not none %}
    {%- if key == 'properties' %}{%- set shown = '{' ~ (properties_of(item, false) if item is mapping else '') ~ '}' %}
    {%- elif key == 'required' %}{%- set shown = names_of(item) %}
    {%- elif key == 'type' %}{%- set shown = value_of(item | upper if item is string else item | map('upper') | list, true) %}
    {%- else %}{%- set shown = value_of(item, true) %}{%- endif %}
    {%- set parts.all = parts.all + [key ~ ':' ~ shown] %}
  {%- endfor %}{{- parts.all | join(',') }}
{%- endmacro %}
{%- macro properties_of(properties, unnamed) %}
  {%- for key, schema in properties | dictsort if not unnamed or key not in ['description', 'type', 'properties', 'required', 'nullable'] %}
    {%- set type = schema['type'] | upper %}
    {%- set parts = namespace(all=[]) %}
    {%- if schema['description'] %}{%- set parts.all = parts.all + ['description:<|"|>' ~ schema['description'] ~ '<|"|>'] %}{%- endif %}
    {%- if type == 'STRING' and schema['enum'] %}{%- set parts.all = parts.all + ['enum:' ~ value_of(schema['enum'], true)] %}{%- endif %}
    {%- if type == 'ARRAY' and schema['items'] is mapping and schema['items'] %}
      {%- set parts.all = parts.all + ['items:{' ~ items_of(schema['items']) ~ '}'] %}
    {%- endif %}
    {%- if schema['nullable'] %}{%- set parts.all = parts.all + ['nullable:true'] %}{%- endif %}
    {%- if type == 'OBJECT' %}
      {%- set named = schema['properties'] is mapping %}
      {%- set parts.all = parts.all + ['properties:{' ~ properties_of(schema['properties'] if named else schema, not named) ~ '}'] %}
      {%- if schema['required'] %}{%- set parts.all = parts.all + ['required:' ~ names_of(schema['required'])] %}{%- endif %}
    {%- endif %}
    {{- (',' if not loop.first else '') ~ key ~ ':{' ~ (parts.all + ['type:<|"|>' ~ type ~ '<|"|>']) | join(',') ~ '}' }}
  {%- endfor %}
{%- endmacro %}
{%- macro declaration_of(tool) %}
  {{- 'declaration:' ~ tool['name'] ~ '{description:<|"|>' ~ tool['description'] ~ '<|"|>' }}
  {%- set parameters = tool['parameters'] %}
  {%- if parameters %}{{- ',parameters:{' }}
    {%- if parameters['properties'] %}{{- 'properties:{' ~ properties_of(parameters['properties'], false) ~ '},' }}{%- endif %}
    {%- if parameters['required'] %}{{- 'required:' ~ names_of(parameters['required']) ~ ',' }}{%- endif %}
    {%- if parameters['type'] %}{{- 'type:<|"|>' ~ (parameters['type'] | upper) ~ '<|"|>}' }}{%- endif %}
  {%- endif %}
  {%- if 'response' in tool %}{{- ',response:{' }}
    {%- set response = tool['response'] %}
    {%- if response['description'] %}{{- 'description:<|"|>' ~ response['description'] ~ '<|"|>,' }}{%- endif %}
    {%- if response['type'] | upper == 'OBJECT' %}{{- 'type:<|"|>OBJECT<|"|>}' }}{%- endif %}
  {%- endif %}{{- '}' }}
{%- endmacro %}`

/**
 * Gemma 4: tools, their results in the turn that called them, and reasoning before calls after the last question. What stands in the content between
 * the marks of a thought is left out.
 */
export const GEMMA4: string = String.raw`${VALUES}${DECLARATIONS}
{%- macro answer_of(text) %}
  {%- set kept = namespace(text='') %}
  {%- for part in text.split('<channel|>') %}{%- set kept.text = kept.text ~ part.split('<|channel>')[0] %}{%- endfor %}
  {{- kept.text | trim }}
{%- endmacro %}
{%- macro result_of(name, value) %}{{- '<|tool_response>response:' ~ name ~ '{' }}
  {%- if value is mapping %}
    {%- for key, item in value | dictsort %}{{- (',' if not loop.first else '') ~ key ~ ':' ~ value_of(item, false) }}{%- endfor %}
  {%- else %}{{- 'value:' ~ value_of(value, false) }}{%- endif %}{{- '}<tool_response|>' }}
{%- endmacro %}
{{- bos_token }}
{%- set thinks = enable_thinking is defined and enable_thinking %}
{%- set given = messages[0]['role'] in ['system', 'developer'] %}
{%- set turns = messages[1:] if given else messages %}
{%- if thinks or tools or given %}
  {{- '<|turn>system\n' ~ ('<|think|>\n' if thinks else '') ~ (messages[0]['content'] | trim if given else '') }}
  {%- for tool in tools or [] %}{{- '<|tool>' ~ declaration_of(tool['function']) ~ '<tool|>' }}{%- endfor %}
  {{- '<turn|>\n' }}
{%- endif %}
{%- set seen = namespace(question=-1, before='', calls=false) %}
{%- for message in turns %}{%- if message['role'] == 'user' %}{%- set seen.question = loop.index0 %}{%- endif %}{%- endfor %}
{%- for message in turns %}
  {%- if message['role'] != 'tool' %}
    {%- set role = 'model' if message['role'] == 'assistant' else message['role'] %}
    {%- set calls = message['tool_calls'] or [] %}
    {%- set thought = message.get('reasoning') or message.get('reasoning_content') %}
    {%- set results = namespace(any=false, over=not calls) %}
    {%- if not (role == 'model' and seen.before == 'assistant') %}{{- '<|turn>' ~ role ~ '\n' }}{%- endif %}
    {%- if thought and calls and loop.index0 > seen.question %}{{- '<|channel>thought\n' ~ thought ~ '\n<channel|>' }}{%- endif %}
    {%- for call in calls %}
      {%- set arguments = call['function']['arguments'] %}
      {{- '<|tool_call>call:' ~ call['function']['name'] ~ '{' }}
      {%- if arguments is mapping %}
        {%- for key, item in arguments | dictsort %}{{- (',' if not loop.first else '') ~ key ~ ':' ~ value_of(item, false) }}{%- endfor %}
      {%- elif arguments is string %}{{- arguments }}{%- endif %}
      {{- '}<tool_call|>' }}
    {%- endfor %}
    {%- for result in turns[loop.index0 + 1:] %}
      {%- if result['role'] != 'tool' %}{%- set results.over = true %}{%- endif %}
      {%- if not results.over %}
        {%- set called = namespace(name=result.get('name') or 'unknown') %}
        {%- for call in calls %}{%- if call.get('id') == result.get('tool_call_id') %}{%- set called.name = call['function']['name'] %}{%- endif %}{%- endfor %}
        {{- result_of(called.name, result['content']) }}
        {%- set results.any = true %}
      {%- endif %}
    {%- endfor %}
    {%- set content = message['content'] if message['content'] is string else '' %}
    {%- set text = answer_of(content) if role == 'model' else content | trim %}
    {{- text }}
    {%- if calls and not results.any %}{{- '<|tool_response>' }}
    {%- elif text or not results.any %}{{- '<turn|>\n' }}{%- endif %}
    {%- set seen.before = message['role'] %}
    {%- set seen.calls = calls != [] %}
  {%- endif %}
{%- endfor %}
{%- if add_generation_prompt and not seen.calls %}
  {{- '<|turn>model\n' ~ ('' if thinks else '<|channel>thought\n<channel|>') }}
{%- endif %}`
