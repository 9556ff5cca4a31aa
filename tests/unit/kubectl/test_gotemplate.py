"""`-o go-template`: what templates give, as Go's text/template gives it."""

from __future__ import annotations

import pytest

from podyard.kubectl.gotemplate import Template, TemplateError

SERVICE = {
    "kind": "Service",
    "metadata": {"name": "web", "generation": 12345678},
    "spec": {
        "ports": [{"name": "http", "port": 80}, {"name": "https", "port": 443}],
        "selector": {"b": "2", "a": "1"},
        "ratio": 0.25,
        "on": True,
        "none": None,
    },
}


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("plain", "plain"),
        ("{{.metadata.name}}", "web"),
        ("{{.spec.ratio}} {{.spec.on}} {{.metadata.generation}}", "0.25 true 12345678"),
        ("{{.nope}} {{.nope.deeper}} {{.spec.none}}", "<no value> <no value> <no value>"),
        ("{{.spec.selector}}", "map[a:1 b:2]"),
        ('{{range .spec.ports}}{{.name}}{{"\\n"}}{{end}}', "http\nhttps\n"),
        ("{{range $i, $p := .spec.ports}}{{$i}}{{$p.port}}{{$.kind}} {{end}}", "080Service 1443Service "),
        ("{{range $key, $value := .spec.selector}}{{$key}}{{$value}},{{end}}", "a1,b2,"),
        ("{{range .nope}}x{{else}}nothing{{end}}", "nothing"),
        ("{{range .spec.ports}}{{if eq .port 443}}{{break}}{{end}}{{.port}}{{end}}", "80"),
        ("{{range .spec.ports}}{{if eq .port 80}}{{continue}}{{end}}{{.port}}{{end}}", "443"),
        ('{{if eq .kind "Pod"}}pod{{else if eq .kind "Service"}}service{{else}}?{{end}}', "service"),
        ("{{if .spec.none}}a{{else}}b{{end}}{{if not .spec.on}}c{{end}}", "b"),
        ("{{with .spec}}{{.on}}{{end}}{{with .nope}}x{{else}}y{{end}}", "truey"),
        ("{{$x := .kind}}{{if true}}{{$x = 1}}{{end}}{{$x}}", "1"),
        ("{{(index .spec.ports 1).port}} {{index .spec.selector \"a\"}}", "443 1"),
        ('{{printf "%d %x %x" .metadata.generation 255 "ab"}}', "12345678 ff 6162"),
        ("{{js `a<b'&=\"\\`}}", "a\\u003Cb\\'\\u0026\\u003D\\\"\\\\"),
        ('{{.kind | printf "%s-%q" "a"}}', 'a-"Service"'),
        ('{{printf "%5s|%-5s|%03d|%v|%t" "a" "b" 7 .spec.ports .spec.on}}', None),
        ("{{len .spec.ports}} {{and .kind .nope}} {{or .nope `raw`}}", "2 <no value> raw"),
        ('{{"c2VjcmV0" | base64decode}}', "secret"),
        ('{{exists .spec "on"}} {{exists .spec "off" "x"}}', "true false"),
        ("a  {{- /* comment */ -}}  b {{- 1 -}} c", "ab1c"),
        ("{{print 1 2 `a` `b` 3}} {{println .kind}}", "1 2ab3 Service\n"),
        ('{{printf "%T %T %T %T" .metadata.generation .spec.ratio .spec.none .spec}}',
         "int64 float64 <nil> map[string]interface {}"),
        ('{{printf "%c|%U|%b|%b" 120 8364 5 -5}}', "x|U+20AC|101|-101"),
        ('{{printf "%s|%d|%d|%s" .spec.on .kind .spec.none .metadata.generation}}',
         "%!s(bool=true)|%!d(string=Service)|%!d(<nil>)|%!s(int64=12345678)"),
        ('{{printf "%q %5s|%x|% x|%#v" .spec.selector .spec.none "ab" "ab" .kind}}',
         'map["a":"1" "b":"2"] %!s(<nil>)|6162|61 62|"Service"'),
        ('{{printf "%d" 1 .spec.none "x"}}', "1%!(EXTRA <nil>, string=x)"),
        ("{{and .nope (index .spec.ports 9)}} {{or .kind (index .spec.ports 9)}}", "<no value> Service"),
        ("{{if and .nope (gt .nope 1)}}a{{else}}b{{end}} {{true | and false}}", "b false"),
        ("{{js .spec.none}} {{html .spec.none}} {{urlquery .spec.none}}",
         "\\u003Cno value\\u003E &lt;no value&gt; %3Cno+value%3E"),
        ('{{js "\u2028é\x7f\u00a0"}}', "\\u2028é\x7f\\u00A0"),
        ("{{slice .kind}} {{slice .kind 3}} {{slice `é` 0 2}}", "Service vice é"),
        ("{{slice .spec.ports 1 1 2}}", "[]"),
        ("{{index .kind 0}} {{index `é` 1}}", "83 169"),
        ("{{lt 1 2}} {{ge 2 3}} {{ne `a` `b`}} {{slice `hello` 1 3}}", "true false true el"),
    ],
)  # fmt: skip
def test_text(template: str, text: str | None) -> None:
    filled = Template(template).text(SERVICE)
    if text is None:
        text = "    a|b    |007|[map[name:http port:80] map[name:https port:443]]|true"
    assert filled == text


@pytest.mark.parametrize(
    ("template", "problem"),
    [
        ("{{.kind", "unclosed action"),
        ("{{end}}", "unexpected {{end}}"),
        ("{{if .kind}}x", "unexpected EOF"),
        ("{{nope .kind}}", 'function "nope" not defined'),
        ("{{break}}", "outside"),
        ("{{}}", "missing value for command"),
        ("{{(.kind}}", "unclosed left paren"),
        ("{{.kind ;}}", "unexpected ';' in operand"),
        ("{{.kind.x}}", "can't evaluate field x in type interface {}"),
        ("{{index .spec.ports 5}}", "index out of range: 5"),
        ("{{$y}}", 'undefined variable "$y"'),
        ("{{.kind 1}}", "can't give argument to non-function .kind"),
        ("{{len 1}}", "len of type int64"),
        ("{{not}}", "arguments for not"),
        ("{{eq .spec.ports .spec.ports}}", "error calling eq: non-comparable type []interface {}"),
        ("{{ne .spec .spec}}", "non-comparable type map[string]interface {}"),
        ("{{slice .kind 1 2 3}}", "cannot 3-index slice a string"),
        ("{{slice .spec.ports 1 2 3 4}}", "too many slice indexes: 4"),
        ("{{slice .spec.ports 2 1}}", "invalid slice index: 2 > 1"),
        ("{{slice .spec.ports 3}}", "index out of range: 3"),
        ("{{slice .spec.ports -1}}", "index out of range: -1"),
        ("{{slice .spec.ports `a`}}", "cannot index slice/array with type string"),
        ("{{slice .nope 1}}", "can't slice item of type <nil>"),
        ("{{index .spec 1}}", "value has type int64; should be string"),
        ("{{nil}}", "nil is not a command"),
        ("{{range nil}}{{end}}", "nil is not a command"),
        ("{{.spec.none.x}}", "nil pointer evaluating interface {}.x"),
        ("{{'ab'}}", "malformed character constant: 'ab'"),
        ("{{eq .kind 1}}", "incompatible types for comparison"),
        ("{{range .kind}}{{end}}", "range can't iterate over Service"),
    ],
)
def test_problems(template: str, problem: str) -> None:
    with pytest.raises(TemplateError, match=r".*") as raised:
        Template(template).text(SERVICE)
    assert problem in str(raised.value)


def test_missing_keys_may_be_an_error() -> None:
    with pytest.raises(TemplateError, match='map has no entry for key "nope"'):
        Template("{{.nope}}", allow_missing=False).text(SERVICE)
