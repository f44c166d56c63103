"""Hostile texts: ours,
and those that others have gathered where MMSVAULT_TEST_CORPORA names a folder of them.

The folder may have `naughty-strings.json` (`blns.json` of the Big List of Naughty Strings) and
`json-test-suite.json` (the files of JSONTestSuite's `test_parsing`, by name, in Base64). The counts in
docs/security.md are of runs with both.
"""

import base64
import json
import os
from pathlib import Path

FOLDER = os.environ.get("MMSVAULT_TEST_CORPORA", "")

OUR_STRINGS = [
    "", " ", "undefined", "null", "nil", "true", "0", "-1", "1e309", "NaN", "0x10", "١٢٣", "²³",
    "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "<svg/onload=alert(1)>",
    "javascript:alert(1)",
    '"><b onmouseover=alert(1)>', "{{7*7}}", "${7*7}", "#{7*7}", "%s%n%x", "$(id)", "`id`", "; id", "| id",
    "' OR 1=1 --", "'; DROP TABLE messages; --", '" OR ""="', "../../etc/passwd", "..\\..\\boot.ini",
    "http://127.0.0.1/", "file:///etc/passwd", "=1+1", "@SUM(A1)", "+cmd|' /C calc'!A0",
    "\u202eright to left", "\u200bzero\u200cwidth", "\ufeffmark", "e\u0301" * 40, "Z\u0351\u036b\u0343algo",
    "🏳️‍🌈👩‍👩‍👧‍👦", "שלום עולם", "مرحبا", "港の嵐", "ภาษาไทย", "İı", "ß", "ﬀ", "．．／", "a\tb", "a\nb",
    "a\0b",
    "-- [link](javascript:alert(1)) **bold** `code` $x^2$", "<!--", "]]>", "<![CDATA[x]]>", "&amp;lt;", "\\",
]  # fmt: skip

OUR_JSON = {
    f"case {number}": text.encode()
    for number, text in enumerate(
        (
            "", " ", "{", "[", "}", "]", "{}", "[]", "null", "true", "1", '"x"', "{]", "[}",
            '{"a"}', '{"a":}',
            '{"a":1,}', "[1,]", "[,1]", '{"a":1 "b":2}', "{'a':1}", "{a:1}", '{"a":01}',
            '{"a":+1}', '{"a":.5}',
            '{"a":1.}', '{"a":1e}', '{"a":0x1}', '{"a":"\\x"}', '{"a":"\\u12"}', '{"a":"\t"}',
            '{"a":"', '{"a":tru}',
            '{"a":1}}', '{"a":1} x', '{"":{"":{"":[]}}}', '{"a":"\\ud83d\\udc1f"}', '{"a":"\\udc1f"}',
            '// c\n{"a":1}', '{"a":/* c */1}', '\ufeff{"a":1}',
        )
    )
}  # fmt: skip


def naughty_strings() -> list[str]:
    """Return strings that have broken programs before."""
    if not FOLDER:
        return OUR_STRINGS
    strings: list[str] = json.loads((Path(FOLDER) / "naughty-strings.json").read_text())
    return strings


def odd_json() -> dict[str, bytes]:
    """Return JSON, right and wrong, by name."""
    if not FOLDER:
        return OUR_JSON
    gathered = json.loads((Path(FOLDER) / "json-test-suite.json").read_text())
    return {name: base64.b64decode(text) for name, text in gathered.items()}
