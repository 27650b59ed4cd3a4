"""Golden texts of the template language, from Jinja2 as transformers sets it up.

Writes tests/golden/jinja/language.json: groups of [template, text], where the text is null when Jinja2 refuses the
template. The templates are ours, a few for each feature of the language; the variables are VARIABLES for all of them.

    python tests/oracle/jinja_golden.py
"""

import datetime
import json
from pathlib import Path

from transformers.utils import chat_template_utils

OUT = Path(__file__).parent.parent / "golden" / "jinja" / "language.json"
NOW = datetime.datetime(2026, 3, 7, 15, 4, 9, 123456)

VARIABLES = {
    "s": "Hello, World",
    "sp": "  \n\t padded \n ",
    "u": "Grüße 日本 🦀 ß",
    "e": "",
    "n": None,
    "t": True,
    "f": False,
    "i": 7,
    "neg": -3,
    "x": 2.5,
    "xs": [3, 1, 2],
    "names": ["bob", "Alice", "carol", "alice"],
    "d": {"b": 1, "a": [1, {"k": "v"}], "items": "own", "B": 3},
    "empty": {"list": [], "dict": {}},
    "users": [
        {"name": "Bob", "age": 30, "tags": ["x"], "city": "Rome"},
        {"name": "alice", "age": 25, "tags": [], "city": "oslo"},
        {"name": "Carol", "age": 30, "tags": ["y", "z"]},
    ],
    "messages": [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "<think>\nhm\n</think>\n\nYes", "tool_calls": [{"function": {"name": "f", "arguments": {"a": 1, "b": "ü<&>"}}}]},
    ],
    "html": "<b class=\"x\">1 & 'two'</b>",
}


def each(template: str, *values: str) -> list[str]:
    return [template.replace("@", value) for value in values]


CASES = {
    "values": each(
        "{{ @ }}",
        "none", "true", "False", "7", "-7", "1_000", "0x1F", "0b101", "0o17", "2.5", "1e3", "1E-7", "1e16", "123456789012345678.0", "0.1 + 0.2",
        "1e22", "5e-324", "1.0", "100000.0", "-0.0", "'a' 'b'", '"q\'q"', "'\\n\\t\\x41\\u00e9\\U0001F980\\101\\q'", "'üñ'", "[1, 'a', none, 2.0, true]",
        "[]", "()", "(1,)", "(1, 2)", "{}", "{'a': 1, 2: 'b', none: [1]}", "{1: 'a', true: 'b', 1.0: 'c'}", "['it\\'s', 'say \"x\"', 'both \\' \"', '\\n\\\\', '\\x00\\x7f', '\\u200b', 'ü']",
        "n", "t", "x", "xs", "d", "users[0]", "undefined_name", "[undefined_name]", "d.missing", "d['b']", "d.a[1].k", "s", "u", "9007199254740993 + 1",
        "2 ** 64", "-(2 ** 70)", "12345678901234567890 * 98765432109876543210", "(2 ** 64) % 1000", "(2**53 + 1) // 3", "10 ** 20 / 10 ** 19", "1 if f", "'a' if f else 'b'", "range(3)", "range(0, 10, 3)",
        "range(3) | list", "namespace(a=1)", "range(5)[1:3]", "range(5)[-1]", "1, 2", "'%s' % 'x',", "namespace(a=none).a", "dict(a=1, b='x')", "dict([('a', 1)], b=2)", "dict.fromkeys(['a', 'b'], 0)", "loop", "caller", "cycler('a').current",
    ),
    "arithmetic": each(
        "{{ @ }}",
        "1 + 2 * 3", "(1 + 2) * 3", "7 / 2", "8 / 2", "7 // 2", "-7 // 2", "7 % 3", "-7 % 3", "7 % -3", "7.5 % 2", "-7.5 // 2", "2 ** 3", "2 ** -1", "2 ** 3 ** 2", "-2 ** 2",
        "- 2", "+ 2", "--2", "1 / 0", "1 // 0", "1 % 0", "true + 1", "true * 3", "'a' * 3", "3 * 'ab'", "[1] * 3", "[1] + [2]", "(1,) + (2,)", "'a' + 1", "1 + 'a'", "none + 1",
        "'a' + n", "undefined_name + 1", "'a' ~ 1 ~ none ~ true ~ 2.0 ~ [1]", "1 - 1.5", "x * 2", "i / x", "0.1 * 3", "1e308 * 10", "'a' * -1", "3 - -3", "s + '!' ~ 1 + 2", "10 - 2 - 3", "2 * 3 % 4", "1 + 2 ~ 3 + 4",
    ),
    "comparison": each(
        "{{ @ }}",
        "1 == 1.0", "1 == true", "'1' == 1", "[1, 2] == [1, 2]", "(1, 2) == [1, 2]", "{'a': 1} == {'a': 1.0}", "none == none", "undefined_name == undefined_other", "undefined_name == none", "1 != 2", "1 < 2 < 3", "1 < 3 < 2", "1 < 2 > 0",
        "'a' < 'b'", "'Z' < 'a'", "'a' < 1", "[1, 2] < [1, 3]", "[1] < [1, 0]", "none < 1", "1 <= 1.0", "2 ** 70 > 1e20", "3 in xs", "'x' in s", "'World' in s", "'b' in d", "'v' in d", "1 in 'a1'", "4 not in xs", "none in [none]", "'a' in undefined_name", "1 in none", "'' in ''",
        "not 1 == 2", "not t and f", "t or f and f", "1 and 2", "0 or 'x'", "'' and 1", "none or []", "not undefined_name", "1 in [1.0]", "true in [1]", "'\uffff' < '🦀'", "undefined_name < 1", "1 == 1 == 1", "1 is 1", "2 in (1, 2)", "2 in range(3)", "'a' in {'a': 1}.keys()", "1 in {'a': 1}.values()",
    ),
    "access": each(
        "{{ @ }}",
        "d.items is callable", "d['items']", "d.b", "d.keys() | list", "d.values() | list", "d.items() | list", "d.get('b')", "d.get('zz')", "d.get('zz', 5)", "d.get('n', default=1)", "users[0].name", "users[-1]['name']", "users[5]", "users[5].name", "users.name", "n.x", "n.x.y", "undefined_name.x", "s[0]", "s[-1]", "s[99]", "u[8]", "u[-3]",
        "s[1:4]", "s[::-1]", "s[:-3]", "s[-3:]", "s[::2]", "s[10:2:-3]", "u[6:10]", "u[::-1]", "xs[1:]", "xs[:1]", "xs[::-1]", "xs[5:]", "xs[-2:]", "xs[:]", "xs[0:3:2]", "xs[::0]", "n[1:]", "d[1:]", "undefined_name[1:]", "xs['0']", "xs[1.0]", "xs[true]", "xs[none]", "d[1]", "d[[1]]", "d[none]", "(1, 2, 3)[1:]", "xs.0", "users.0.name", "d.a.1.k",
        "d.copy()", "xs.append(1)", "xs.append is defined", "d.update({})", "d.pop('b')", "xs.index(1)", "xs.index(9)", "xs.count(1)", "xs.copy()", "(1, 2).index(2)", "s.__class__", "s.__class__.__mro__", "d.__len__()", "d._x", "i.real", "x.is_integer()", "i.bit_length()", "s.nothing", "s.nothing()", "d.fromkeys(['a'])", "d['a', 'b']", "{('a', 'b'): 1}['a', 'b']", "d.a[0]", "i[0]", "x[0]", "t[0]", "'abc'[1]", "d.B", "namespace(a=1).a", "namespace(a=1).b", "namespace(a=1)['a']", "namespace(_a=1)",
    ),
    "string methods": each(
        "{{ [@] }}",
        "'  A'.lstrip('\\n')", "'xxaxx'.strip('x')", "'xyax'.rstrip('xy')", "'abcba'.lstrip('ab')", "sp.strip()", "sp.lstrip()", "sp.rstrip()", "sp.strip(none)", "'\\x1cA\\x85'.strip()", "'\\ufeffA\\u3000'.strip()", "s.upper()", "u.upper()", "u.lower()", "'ΑΣ ΑΣ'.lower()", "u.title()", "u.swapcase()", "'straße'.capitalize()", "'hELLO wORLD'.capitalize()", "'ŉa ǆ'.title()",
        "'they\\'re bill\\'s'.title()", "s.split()", "s.split(',')", "s.split(', ')", "s.split('o', 1)", "s.rsplit('o', 1)", "'a,b,,c,'.split(',')", "' a  b '.split(' ')", "'  a  b  c  '.split(none, 1)", "'  a  b  c  '.rsplit(none, 1)", "'a b'.split(maxsplit=1)", "'  a '.split(none, 0)", "'a b c'.split(' ', -1)", "''.split()", "''.split(',')", "'abc'.split('')", "s.split(1)", "'a\\nb\\r\\nc\\x0bd\\u2028e\\n'.splitlines()",
        "'a\\nb\\r\\n'.splitlines(true)", "'a\\nb'.splitlines(keepends=true)", "''.splitlines()", "'a=b=c'.partition('=')", "'a=b=c'.rpartition('=')", "'abc'.partition('x')", "'abc'.rpartition('x')", "s.replace('o', '0')", "s.replace('o', '0', 1)", "s.replace('', '-')", "s.replace('', '-', 2)", "s.replace('l', '')", "s.replace('z', 'y')", "s.replace('o')", "s.replace(1, 2)", "s.find('o')", "s.find('o', 5)", "s.find('o', 5, 7)", "s.find('zz')", "s.rfind('o')", "s.index('W')", "s.index('zz')", "u.find('🦀')", "u.find('ß')", "u.rfind('ß', 0, -1)", "'abc'.find('', 5)", "'abc'.find('', 3)", "s.count('l')", "s.count('')", "s.count('l', 4)", "u.count('')", "s.startswith('Hell')", "s.startswith(('x', 'He'))", "s.startswith('World', 7)", "s.startswith('')", "s.startswith(['H'])", "s.endswith('ld')", "s.endswith(('x', 'd'))", "s.endswith('o', 0, 5)", "s.endswith('', 99)",
        "'ab'.center(7)", "'abc'.center(6, '*')", "'ab'.center(5, '*')", "'ab'.ljust(5, '.')", "'ab'.rjust(5)", "'ab'.rjust(1)", "'ab'.center(5, 'xy')", "'42'.zfill(5)", "'-42'.zfill(5)", "'+'.zfill(3)", "'a\\tb\\n\\tc'.expandtabs()", "'a\\tb'.expandtabs(4)", "', '.join(['a', 'b'])", "', '.join('abc')", "','.join([1])", "''.join([])", "'-'.join(d)", "'TestHook'.removeprefix('Test')", "'MiscTests'.removesuffix('Tests')", "'abc'.removesuffix('')", "'ab'.isalpha()", "'12'.isdigit()", "'²'.isdigit()", "'²'.isdecimal()", "'½'.isnumeric()", "'a1'.isalnum()", "''.isalpha()", "' \\n'.isspace()", "'Ab'.istitle()", "'AB1'.isupper()", "'ab1'.islower()", "'1'.islower()", "'a b'.isidentifier()", "'_a1'.isidentifier()", "'\\n'.isprintable()", "'ü'.isascii()", "'ß'.casefold()", "'AbC'.casefold()", "'abc'.strip(1)", "s.upper(1)", "s.strip('a', 'b')", "'x'.isalpha(1)", "'日本'.isalpha()",
        "'{} {}'.format(1, 'a')", "'{0}{1}{0}'.format('a', 'b')", "'{a} {b}'.format(a=1, b=[2])", "'{:>5}|{:<5}|{:^5}|'.format('a', 'b', 'c')", "'{:*^7}'.format('x')", "'{:05d} {:+d} {:x} {:#x} {:b} {:,}'.format(42, 42, 255, 255, 5, 1234567)", "'{:.2f} {:8.3f} {:e} {:g} {:.3g} {:%}'.format(2.5, 3.14159, 12345.678, 0.0001, 1234.5, 0.25)", "'{:.1f} {:.0f} {:.0f} {:.2f}'.format(0.25, 0.5, 1.5, 1.005)", "'{{}} {}'.format(1)", "'{0[a]} {1.b} {2[0]}'.format({'a': 1}, {'b': 2}, [3])", "'{!r} {!s}'.format('a', 'b')", "'{:{w}}'.format('a', w=4)", "'{}'.format()", "'{'.format(1)", "'}'.format(1)", "'{:d}'.format('a')", "'{:.3}'.format('abcdef')", "'{:_}'.format(1234567)", "'{:.3}'.format(2.0)", "'{:08.2f}'.format(-3.14159)", "'{:c}'.format(65)", "'{a}'.format_map({'a': 1})", "'{0.__class__}'.format('a')", "'{:,.2f}'.format(1234567.891)", "'{:s}'.format(1)", "'{: d}'.format(5)", "'{:<5d}|'.format(5)", "'{:x}'.format(2.5)",
    ),
    "percent": each(
        "{{ [@] }}",
        "'%s %s' % ('a', 1)", "'%s' % 'a'", "'%s' % [1]", "'%s' % none", "'%d' % 3.9", "'%5d|%-5d|%05d|%+d' % (1, 2, 3, 4)", "'%.2f %8.3f %e %g %G' % (2.5, 3.14159, 12345.678, 0.00001, 1e20)", "'%x %X %o %#x' % (255, 255, 8, 255)", "'%c%c' % ('a', 66)", "'%r' % 'a'", "'%%'  % ()", "'%(a)s %(b)d' % {'a': 1, 'b': 2}", "'%s' % ()", "'%s' % (1, 2)", "'a' % 1", "'%d' % 'a'", "'%*d' % (5, 1)", "'%.3s' % 'abcdef'", "'%5s|%-5s|' % ('a', 'b')", "'%s' % d", "'%(a)s' % {'b': 1}", "'%y' % 1", "'%.0f %.0f %.0f' % (0.5, 1.5, 2.5)", "'%s' % u", "'100%%' % ()", "'%i' % true", "'%5.1f' % x", "'%a' % 'ü'", "'%s' % undefined_name", "'%d' % undefined_name",
    ),
    "filters": each(
        "{{ [@] }}",
        "s | upper | lower", "s | capitalize", "'hello wORLD foo-bar (baz' | title", "sp | trim", "'xxaxx' | trim('x')", "s | length", "u | length", "xs | count", "n | length", "5 | length", "undefined_name | length", "s | list", "d | list", "s | first", "s | last", "xs | first", "[] | first", "[] | last", "xs | reverse | list", "u | reverse", "d | reverse | list", "xs | sort", "names | sort", "names | sort(case_sensitive=true)", "names | sort(reverse=true)", "users | sort(attribute='age,name') | map(attribute='name') | list", "users | sort(attribute='age', reverse=true) | map(attribute='name') | list", "[1, 'a'] | sort", "d | dictsort", "d | dictsort(true)", "{'a': 2, 'b': 1} | dictsort(by='value')", "{'a': 2, 'b': 1} | dictsort(false, 'key', true)", "d | dictsort(by='x')", "d | items | list", "undefined_name | items | list", "xs | items | list",
        "xs | join", "xs | join(', ')", "users | join(', ', attribute='name')", "[1, none, 'a'] | join('-')", "names | unique | list", "names | unique(true) | list", "users | unique(attribute='age') | map(attribute='name') | list", "xs | min", "xs | max", "names | max", "[] | max", "users | max(attribute='age')", "xs | sum", "users | sum(attribute='age')", "xs | sum(start=10)", "['a'] | sum", "users | groupby('age') | list", "users | groupby('city', default='NY') | map(attribute='grouper') | list", "xs | batch(2) | list", "xs | batch(2, 'x') | list", "xs | slice(2) | list", "xs | slice(2, 'x') | list", "users | map(attribute='name') | list", "users | map(attribute='city', default='?') | list", "names | map('upper') | list", "names | map('replace', 'a', 'o') | list", "names | map('nope') | list", "xs | map | list", "xs | select('odd') | list", "xs | select('gt', 1) | list", "[0, 1, '', 'a'] | select | list", "xs | reject('odd') | list", "users | selectattr('tags') | map(attribute='name') | list", "users | selectattr('age', 'equalto', 30) | list | length", "users | selectattr('city', 'defined') | map(attribute='name') | list", "users | rejectattr('city', 'defined') | map(attribute='name') | list", "users | selectattr('name', 'in', ['Bob']) | list | length", "users | selectattr('tags.0', 'eq', 'y') | map(attribute='name') | list", "messages | selectattr('role', 'equalto', 'user') | list | length", "messages | selectattr('role', 'equalto', 'user') | length", "messages | map(attribute='role') | join(',')", "messages | rejectattr('role', 'equalto', 'system') | first", "none | map('upper') | list", "undefined_name | map('upper') | list", "users | selectattr('name', 'nope') | list",
        "undefined_name | default('x')", "n | default('x')", "n | default('x', true)", "e | d('x', boolean=true)", "undefined_name | default", "-5 | abs", "(-2.5) | abs", "'a' | abs", "'42' | int", "'42.7' | int", "'x' | int", "'x' | int(7)", "'0x1A' | int(0, 16)", "'1A' | int(base=16)", "2.9 | int", "-2.9 | int", "none | int", "[] | int(3)", "' 12 ' | int", "'1_000' | int", "true | int", "'2.5' | float", "'x' | float", "3 | float", "'1e3' | float", "'inf' | float", "none | float(1.5)", "2.5 | round", "3.5 | round", "2.567 | round(2)", "2.561 | round(2, 'ceil')", "2.569 | round(1, 'floor')", "42 | round", "1234 | round(-2)", "1250 | round(-2)", "1250.0 | round(-2)", "2.675 | round(2)", "2.5 | round(0, 'x')", "5 | string", "n | string", "xs | string", "'a' | attr('upper') is callable", "d | attr('b')", "s | replace('o', '0')", "s | replace('o', '0', 1)", "5 | replace(5, 6)", "'a' | center(5)", "'%s-%s' | format('a', 1)", "'%(a)s' | format(a=1)", "'%s' | format('a', b=1)", "'a\\nb\\n\\nc' | indent", "'a\\nb' | indent(2, true)", "'a\\n\\nb' | indent(2, blank=true)", "'a\\nb' | indent('> ')", "'a\\nb\\n' | indent", "'foo bar baz qux' | truncate(9)", "'foo bar baz qux' | truncate(9, true)", "'foo bar baz qux' | truncate(11)", "'foo bar baz qux' | truncate(11, false, '...', 0)", "'ab' | truncate(1)", "'a b c-d' | wordcount", "1000 | filesizeformat", "1 | filesizeformat", "123456789 | filesizeformat", "1500 | filesizeformat(true)", "html | escape", "html | e | string", "html | safe", "(html | safe) + '<'", "(html | safe) ~ '<'", "'<' + (html | safe)", "html | striptags", "html | forceescape", "'a b&c/ü' | urlencode", "{'a': 'x y', 'b': '1/2'} | urlencode", "{'class': 'a', 'id': none, 'x': '<'} | xmlattr", "s | nope", "s | upper(1)", "s | trim(chars=1)", "xs | join(', ', 'x', 1)", "s | replace('a')", "'abc' | batch(2) | list", "(1, 2) | last", "xs | map('string') | join", "[[1, 2], [3]] | map('length') | list", "[[1, 2], [3]] | sum(start=[])", "[1.5, 2] | sum", "'<%s>' | safe | format('<')", "('<b>' | safe).join(['&'])", "'a' | escape | upper", "[1, 2] | tojson | safe", "'aXb' | lower | title",
    ),
    "tojson": each(
        "{{ @ }}",
        "d | tojson", "u | tojson", "u | tojson(ensure_ascii=true)", "d | tojson(indent=2)", "d | tojson(indent=0)", "d | tojson(indent='\\t')", "[] | tojson(indent=2)", "empty | tojson(indent=4)", "d | tojson(separators=(',', ':'))", "d | tojson(indent=2, separators=(', ', ' = '))", "d | tojson(sort_keys=true)", "{2: 'a', 1: 'b', none: 1, true: 2, 1.5: 3} | tojson", "{2: 'a', 'b': 1} | tojson(sort_keys=true)", "[1, 2.0, 1e20, -0.5, none, true, 'a\"b\\\\c\\n\\x01\\x7f\\u2028'] | tojson", "(1, 2) | tojson", "undefined_name | tojson", "range(2) | tojson", "{(1, 2): 1} | tojson", "'<b>&\\'' | tojson", "messages[2].tool_calls | tojson", "'inf' | float | tojson", "(html | safe) | tojson", "d | tojson(true)", "d | tojson(false, 2)", "d.keys() | tojson", "(2 ** 80) | tojson", "d | tojson(nope=1)", "[[[]]] | tojson(indent=1)", "namespace(a=1) | tojson", "'\\x7f' | tojson(ensure_ascii=true)", "d | tojson(indent=none)", "1 | tojson(indent=2)",
    ),
    "tests": each(
        "{{ @ }}",
        "s is defined", "undefined_name is defined", "d.zz is defined", "d.items is defined", "undefined_name is undefined", "n is none", "n is not none", "s is string", "5 is string", "(html | safe) is string", "d is mapping", "xs is mapping", "xs is sequence", "s is sequence", "d is sequence", "(1,) is sequence", "5 is sequence", "d.items() is sequence", "range(3) is sequence", "(xs | map('string')) is sequence", "undefined_name is sequence", "xs is iterable", "s is iterable", "5 is iterable", "none is iterable", "undefined_name is iterable", "(xs | map('string')) is iterable", "5 is number", "true is number", "2.5 is number", "'5' is number", "5 is integer", "true is integer", "2.5 is float", "5 is float", "true is boolean", "0 is boolean", "t is true", "1 is true", "f is false", "3 is odd", "3 is even", "4 is divisibleby 2", "4 is divisibleby(3)", "'a' is odd", "'abc' is lower", "'ABC' is upper", "'Abc' is lower", "5 is lower", "s is callable", "range is callable", "s.upper is callable", "undefined_name is callable", "1 is sameas 1", "true is sameas true", "1 is sameas true", "1 is eq 1", "1 is equalto(1.0)", "2 is gt 1", "2 is ge 2", "2 is lt 1", "2 is le 1", "2 is ne 1", "1 is in [1, 2]", "'a' is in 'abc'", "3 is not in [1, 2]", "'upper' is filter", "'nope' is filter", "'odd' is test", "(html | escape) is escaped", "s is escaped", "s is nope", "not s is string", "s is string and n is none", "s is not string or true", "s is defined is true", "1 is greaterthan 0", "1 is lessthan(0)", "s is string | upper", "[1] is in [[1]]", "n is sameas none", "s is defined(1)",
    ),
    "loops": [
        "{% for x in xs %}{{ x }}{% endfor %}",
        "{% for x in xs %}{{ loop.index }}{{ loop.index0 }}{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.first }}{{ loop.last }}{{ loop.length }}{{ loop.depth }}{{ loop.depth0 }};{% endfor %}",
        "{% for x in xs %}{{ loop.previtem }}-{{ loop.nextitem }};{% endfor %}",
        "{% for x in xs %}{{ loop.previtem is defined }}{{ loop.nextitem is defined }};{% endfor %}",
        "{% for x in xs %}{{ loop.cycle('a', 'b') }}{{ loop.changed(x > 1) }}{% endfor %}",
        "{% for x in [] %}a{% else %}none{% endfor %}|{% for x in xs %}a{% else %}none{% endfor %}",
        "{% for x in xs if x > 1 %}{{ loop.index }}/{{ loop.length }}:{{ x }} {% else %}no{% endfor %}",
        "{% for x in xs if x > 5 %}{{ x }}{% else %}no{% endfor %}",
        "{% for k, v in d.items() %}{{ k }}={{ v }};{% endfor %}",
        "{% for k in d %}{{ k }}{% endfor %}",
        "{% for c in u %}[{{ c }}]{% endfor %}",
        "{% for a, b in [(1, 2), [3, 4], 'xy'] %}{{ a }}{{ b }}{% endfor %}",
        "{% for a, b in [(1, 2, 3)] %}{{ a }}{% endfor %}",
        "{% for a, (b, c) in [(1, (2, 3))] %}{{ a }}{{ b }}{{ c }}{% endfor %}",
        "{% for x in undefined_name %}a{% else %}none{% endfor %}",
        "{% for x in none %}a{% endfor %}",
        "{% for x in 5 %}a{% endfor %}",
        "{% for x in xs %}{% if x == 1 %}{% break %}{% endif %}{{ x }}{% endfor %}",
        "{% for x in xs %}{% if x == 1 %}{% continue %}{% endif %}{{ x }}{% endfor %}",
        "{% for x in xs %}{% continue %}{% else %}empty{% endfor %}",
        "{% for x in xs %}{% for y in 'ab' %}{{ x }}{{ y }}{{ loop.index }}{% endfor %}{{ loop.index }}{% endfor %}",
        "{% set v = 0 %}{% for x in xs %}{% set v = v + x %}{{ v }},{% endfor %}{{ v }}",
        "{% set ns = namespace(v=0) %}{% for x in xs %}{% set ns.v = ns.v + x %}{% endfor %}{{ ns.v }}",
        "{% for x in xs %}{% if loop.first %}{% set a = 1 %}{% endif %}{{ a }};{% endfor %}",
        "{% for x in xs recursive %}{{ x }}{% if x == 3 %}({{ loop([7, 8]) }}){% endif %}{{ loop.depth }}{% endfor %}",
        "{% for t in [{'n': 1, 'c': [{'n': 2, 'c': [{'n': 3, 'c': []}]}]}] recursive %}<{{ t.n }}{{ loop.depth0 }}{{ loop(t.c) }}>{% endfor %}",
        "{% for x in xs %}{{ loop([1]) }}{% endfor %}",
        "{% for x in range(3) %}{{ x }}{% endfor %}{{ x }}",
        "{% for x in xs | sort %}{{ x }}{{ ', ' if not loop.last }}{% endfor %}",
        "{% for x in xs | map('string') %}{{ loop.last }}{{ loop.length }}{% endfor %}",
        "{% for x in xs if loop is defined %}{{ x }}{% endfor %}",
        "{% for x in 1, 2, 3 %}{{ x }}{% endfor %}",
        "{% for x in xs if x is odd recursive %}{{ x }}{% endfor %}",
        "{% for loop in xs %}{{ loop }}{% endfor %}",
        "{% for x in xs[::-1] %}{{ x }}{{ loop }}{% endfor %}",
        "{% for m in messages %}{{ loop.index0 - 1 }}{{ messages[loop.index0 - 1].role }} {% endfor %}",
        "{% for x in range(200000) %}{% endfor %}",
        "{% break %}",
        "{% for x in xs %}{% set loop = 1 %}{% endfor %}",
    ],
    "names": [
        "{% set a = 1 %}{{ a }}",
        "{% set a, b = 1, 2 %}{{ a }}{{ b }}",
        "{% set a = 1, 2 %}{{ a }}",
        "{% set (a, b) = [1, 2] %}{{ a }}{{ b }}",
        "{% set a, b = [1] %}",
        "{% if t %}{% set a = 1 %}{% endif %}{{ a }}",
        "{% if not zz is defined %}{% set zz = 'd' %}{% endif %}{{ zz }}",
        "{% set a %}x{{ i }}y{% endset %}[{{ a }}]",
        "{% set a | upper | trim %} x {{ s }} {% endset %}[{{ a }}]",
        "{% set ns = namespace(a=1, b=[1]) %}{% set ns.a = 2 %}{% set ns.c = 3 %}{{ ns.a }}{{ ns.b }}{{ ns.c }}{{ ns.d }}",
        "{% set ns = namespace({'a': 1}, b=2) %}{{ ns.a }}{{ ns.b }}{{ ns }}",
        "{% set d.b = 2 %}",
        "{% set ns = namespace() %}{% set ns._x = 1 %}",
        "{% set ns.a = 1 %}",
        "{% with %}{% set a = 1 %}{{ a }}{% endwith %}{{ a }}",
        "{% with a = 1, b = i %}{{ a }}{{ b }}{% endwith %}{{ a }}",
        "{% with a = 1 %}{% with b = a + 1 %}{{ b }}{% endwith %}{% endwith %}",
        "{% set a = 1 %}{% with a = 2 %}{{ a }}{% endwith %}{{ a }}",
        "{% filter upper %}a{{ s }}{% endfilter %}",
        "{% filter replace('a', 'b') | upper %}banana{% endfilter %}",
        "{% set a = 1 %}{% filter trim %}{% set a = 2 %} {{ a }} {% endfilter %}{{ a }}",
        "{% set s = s ~ '!' %}{{ s }}",
        "{% set true = 1 %}",
        "{% set a = 1 %}{% set a = a + 1 %}{{ a }}",
        "{% block x %}{{ i }}{% endblock %}",
        "{% print i, 'a' %}",
        "{% set messages = messages[1:] %}{{ messages | length }}",
        "{% set ns = namespace(x=[]) %}{% set ns.x = ns.x + [1] %}{{ ns.x }}",
        "{% set ns = namespace(a=1) %}{% set ns.a, b = 2, 3 %}{{ ns.a }}{{ b }}",
    ],
    "macros": [
        "{% macro m(a, b=2) %}<{{ a }}{{ b }}>{% endmacro %}{{ m(1) }}{{ m(1, 3) }}{{ m(b=5, a=4) }}{{ m() }}",
        "{% macro m(a) %}{{ a }}{% endmacro %}{{ m(1, 2) }}",
        "{% macro m(a) %}{{ a }}{% endmacro %}{{ m(z=1) }}",
        "{% macro m() %}{{ varargs }}{{ kwargs }}{% endmacro %}{{ m(1, 2, x=3) }}",
        "{% macro m(a, b=a) %}{{ a }}{{ b }}{% endmacro %}{{ m(1) }}",
        "{% macro m(a, b=none) %}{{ b is none }}{% endmacro %}{{ m(1) }}",
        "{% macro m() %}[{{ caller() }}]{% endmacro %}{% call m() %}body{{ i }}{% endcall %}",
        "{% macro m() %}[{{ caller(1, b=2) }}]{% endmacro %}{% call(a, b) m() %}{{ a }}{{ b }}{% endcall %}",
        "{% macro m() %}{{ caller() }}{% endmacro %}{{ m() }}",
        "{% macro m() %}{{ caller is defined }}{% endmacro %}{{ m() }}",
        "{% macro m() %}x{% endmacro %}{% call m() %}{% endcall %}",
        "{% macro m(n) %}{{ n }}{% if n > 0 %}{{ m(n - 1) }}{% endif %}{% endmacro %}{{ m(3) }}",
        "{% set g = 1 %}{% macro m() %}{{ g }}{{ i }}{% endmacro %}{% set g = 2 %}{{ m() }}",
        "{% macro m() %}{% set a = 5 %}{{ a }}{% endmacro %}{{ m() }}{{ a }}",
        "{% macro m(x) %}{{ x }}{% endmacro %}{% for x in xs %}{{ m(x) }}{% endfor %}",
        "{% macro m(x) %} {{ x }} {% endmacro %}{{ m('a') | trim }}{{ m('a') ~ 'b' }}{{ m }}",
        "{% macro m(a, b) %}{{ a }}{{ b }}{% endmacro %}{{ m(*[1, 2]) }}{{ m(**{'a': 1, 'b': 2}) }}{{ m(1, *[2]) }}",
        "{% macro m(a=1, b) %}{% endmacro %}",
        "{{ m(1) }}{% macro m(x) %}{{ x }}{% endmacro %}",
        "{% macro m(x) %}{{ m.name }}{{ m.arguments }}{{ m.catch_kwargs }}{% endmacro %}{{ m(1) }}",
        "{% macro outer() %}{% macro inner() %}i{{ s }}{% endmacro %}{{ inner() }}{% endmacro %}{{ outer() }}",
        "{% if t %}{% macro m() %}a{% endmacro %}{% endif %}{{ m() }}",
        "{% call m() %}a{% endcall %}",
        "{% call 5 %}a{% endcall %}",
        "{{ cycler('a', 'b').next() }}{% set c = cycler('a', 'b') %}{{ c.next() }}{{ c.next() }}{{ c.next() }}{{ c.current }}{% set x = c.reset() %}{{ c.current }}",
        "{% set j = joiner('|') %}{{ j() }}a{{ j() }}b{{ j() }}",
        "{{ raise_exception('no') }}",
        "{{ strftime_now('%Y-%m-%d %H:%M:%S %j %A %a %B %b %d %e %I %p %y %U %W %w %u %D %F %T %R %c %x %X %h %C %% %-d %-m') }}",
        "{{ s() }}",
        "{{ undefined_name() }}",
        "{{ d.get() }}",
        "{{ range() }}",
        "{{ range('a') }}",
        "{{ range(1, 2, 0) }}",
        "{{ namespace(1) }}",
        "{{ dict(1) }}",
    ],
    "conditions": [
        "{% if t %}a{% elif f %}b{% else %}c{% endif %}",
        "{% if f %}a{% elif t %}b{% else %}c{% endif %}",
        "{% if f %}a{% elif f %}b{% else %}c{% endif %}",
        "{% if f %}a{% endif %}",
        "{% if [] %}a{% endif %}{% if {} %}b{% endif %}{% if '' %}c{% endif %}{% if 0.0 %}d{% endif %}{% if ' ' %}e{% endif %}{% if d.items %}f{% endif %}{% if undefined_name %}g{% endif %}{% if range(0) %}h{% endif %}{% if namespace() %}i{% endif %}",
        "{% if x and y %}a{% endif %}",
        "{% if f %}{{ s | nope }}{% endif %}ok",
        "{{ s | nope if f else 'ok' }}",
        "{% if t %}{{ s | nope }}{% endif %}",
        "{% if f %}{{ s is nope }}{% endif %}ok",
        "{% if undefined_name.x %}a{% endif %}",
        "{% if undefined_name is defined and undefined_name.x %}a{% else %}b{% endif %}",
        "{{ 'a' if t }}{{ 'b' if f }}{{ ('c' if f) is defined }}{{ 1 if f else 2 if f else 3 }}",
        "{{ ('a' if f) + 'b' }}",
        "{% if (1, 2) == (1, 2) %}a{% endif %}{% if 1, %}b{% endif %}",
        "{% if not (t and f) or t %}a{% endif %}",
    ],
    "white space": [
        "a\n{% if t %}\nb\n{% endif %}\nc\n",
        "a\n  {% if t %}\n  b\n  {% endif %}\n  c\n\n",
        "a  {%- if t -%}  b  {%- endif -%}  c",
        "a  {{- i -}}  c",
        "a \n {{ i }} \n c",
        "a\n\n  {%- if t %}\n\n b {% endif -%}\n\n c",
        "  {% if t %}x{% endif %}",
        "x  {% if t %}x{% endif %}",
        "  {%+ if t %}x{% endif %}",
        "{% if t +%}\nx{% endif %}",
        "{% if t %}\n\nx{% endif %}\n\ny",
        "a\n  {# comment #}\nb",
        "a\n  {#- comment -#}\nb",
        "a {# {{ not }} {% parsed %} #} b",
        "a\n{# c #}\n{# d #}\nb",
        "{% raw %}{{ x }} {% if %}{% endraw %}",
        "a\n  {% raw %}\n  {{ x }}\n  {% endraw %}\nb",
        "a {%- raw -%} {{ x }} {%- endraw -%} b",
        "{% raw %}{# #}{% endraw %}{# x #}y",
        "{{ 'a' }}\n",
        "{{ 'a' }}\n\n",
        "\n",
        "a\r\nb\rc",
        "{% set x = 1 %}\n\n{% set y = 2 %}\n{{ x }}\n{{ y }}\n",
        "\t {% if t %}\n\t x\n\t {% endif %}\t",
        "{% for x in xs %}\n  {{ x }}\n{% endfor %}\n",
        "{% for x in xs -%}\n  {{ x }}\n{%- endfor %}\n",
        "{{- 'a' -}}\n\n{{- 'b' }}",
        "{%- if t -%}\n{%- endif -%}\na",
        "{{ '{{' }} {{ '%}' }} {{ \"}}\" }} { % }",
        "{{ {'a': {'b': 1}} }}",
        "{{ {'a': {'b': 1}}['a']['b'] }}{{ [[1]][0][0] }}",
        "{% if t -%}\n a {%- else -%} b {%- endif +%}\nc",
        "x{#-#}y",
        "x {#+ c +#}\n y",
        "{{ i\n}}\n{%\nif t\n%}\nx\n{%endif%}",
        "\u00a0 {%- if t %}x{% endif %}",
        "{{+ i }}",
        "a\n  {{ i }}\n",
        "{#\n multi\n line\n#}\nx",
        "{% generation %}\na\n{% endgeneration %}\nb",
        "a\n   {%- generation -%}\na\n{%- endgeneration %}\nb",
    ],
    "generation": [
        "{% for m in messages %}{{ m.role }}:{% if m.role == 'assistant' %}{% generation %}{{ m.content }}{% endgeneration %}{% else %}{{ m.content }}{% endif %}{% endfor %}",
        "{% generation %}{% set a = 1 %}{{ a }}{% endgeneration %}{{ a }}",
        "{% for x in xs %}{% generation %}{{ x }}{{ loop.index }}{% endgeneration %}{% endfor %}",
        "{% set ns = namespace(a=1) %}{% generation %}{% set ns.a = 2 %}{% endgeneration %}{{ ns.a }}",
        "{% generation %}a",
        "{% for x in xs %}{% generation %}{% break %}{% endgeneration %}{% endfor %}",
    ],
    "refused": [
        "{{", "{{ }}", "{{ a", "{% if %}", "{% if t %}", "{% endif %}", "{% for %}", "{% for x %}{% endfor %}", "{% nope %}", "{# open", "{% raw %}", "{{ 'open }}", "{{ 1 2 }}", "{{ (1 }}", "{{ 1) }}", "{{ [1} }}", "{{ a..b }}", "{{ a. }}", "{{ a[ }}", "{{ $ }}", "{{ a ! }}", "{{ a | }}", "{{ a | 5 }}", "{{ f(a=1, 2) }}", "{{ f(**d, 1) }}", "{{ a is }}", "{% set %}", "{% set a = %}", "{% set 1 = 2 %}", "{% set a + b = 2 %}", "{% macro %}{% endmacro %}", "{% else %}", "{% if t %}{% else %}{% else %}{% endif %}", "{% endfor %}", "{{ not }}", "{{ 1 + }}", "{{ {1} }}", "{{ {'a' 1} }}", "{{ 'a' if }}", "{% for x in xs %}{% endif %}", "{{ a b }}", "{% if t %}a{% endfor %}", "{{ 'a\\x' }}", "{% include 'a' %}", "{{ 1__0 }}", "{{ 01 }}", "{{ a is not }}", "{% with a %}{% endwith %}", "{% filter %}{% endfilter %}", "{% if t }}a{% endif %}",
    ],
    "templates": [
        "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\\n' + m['content'] + '<|im_end|>' + '\\n' }}{% endfor %}",
        "{%- for m in messages %}\n    {%- if m.content is string %}\n        {{- m.content }}\n    {%- endif %}\n{%- endfor %}\n",
        "{%- set content = messages[2].content %}{%- if '</think>' in content %}{%- set r = content.split('</think>')[0].rstrip('\\n').split('<think>')[-1].lstrip('\\n') %}{%- set content = content.split('</think>')[-1].lstrip('\\n') %}{%- endif %}[{{ r }}][{{ content }}]",
        "{%- for c in messages[2].tool_calls %}{%- if c.function %}{%- set c = c.function %}{%- endif %}{{ c.name }} {{ c.arguments | tojson }}{% for k, v in c.arguments.items() %}{{ k }}={{ v }};{% endfor %}{% for k, v in c.arguments|items %}{{ k }}={{ v if v is string else v | tojson }}{% endfor %}{%- endfor %}",
        "{% if messages[0]['role'] == 'system' %}{% set loop_messages = messages[1:] %}{% set system = messages[0]['content'] | trim %}{% else %}{% set loop_messages = messages %}{% set system = false %}{% endif %}{{ system }}{{ loop_messages | length }}",
        "{%- set ns = namespace(multi=true, last=messages|length - 1) %}{%- for m in messages[::-1] %}{%- set index = (messages|length - 1) - loop.index0 %}{%- if ns.multi and m.role == 'user' %}{%- set ns.multi = false %}{%- set ns.last = index %}{%- endif %}{%- endfor %}{{ ns.last }}",
        "{% for m in messages %}{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('roles must alternate') }}{% endif %}{% endfor %}",
        "{%- macro walk(v) -%}{%- if v is mapping -%}{%- for k in v | sort -%}{{ k }}:{{ walk(v[k]) }};{%- endfor -%}{%- elif v is sequence and v is not string -%}[{%- for x in v -%}{{ walk(x) }}{{ ',' if not loop.last }}{%- endfor -%}]{%- else -%}{{ v }}{%- endif -%}{%- endmacro -%}{{ walk(d) }}",
        "{{ messages | selectattr('role', 'equalto', 'user') | map(attribute='content') | list | last }}",
        "{{ bos_token }}{{ eos_token is defined }}{{ tools is none }}{{ documents is none }}{{ add_generation_prompt }}",
    ],
}


class Clock(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return NOW


def render(template: str) -> str | None:
    try:
        return chat_template_utils._compile_jinja_template(template).render(**VARIABLES)
    except Exception:
        return None


def main() -> None:
    chat_template_utils.datetime = Clock
    OUT.parent.mkdir(parents=True, exist_ok=True)
    groups = {name: [[template, render(template)] for template in templates] for name, templates in CASES.items()}
    lines = [f"{json.dumps(name)}: [\n" + ",\n".join(json.dumps(case) for case in cases) + "\n]" for name, cases in groups.items()]
    variables = json.dumps(VARIABLES)
    OUT.write_text('{\n"variables": ' + variables + ',\n"groups": {\n' + ",\n".join(lines) + "\n}\n}\n", encoding="utf-8")
    print(sum(len(cases) for cases in groups.values()), "templates")


if __name__ == "__main__":
    main()
