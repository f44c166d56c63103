"""Hostile texts, made here and the same in each run: strings that have broken programs, and odd JSON.

The kinds are those of the well-known public collections: reserved words, numbers, every corner of
Unicode, markup, scripts, SQL, shells, templates, paths, formulas and terminals. The JSON is of each part of
the grammar, with texts that a parser must take, must refuse, or may do either with.
"""

import itertools
import json
import unicodedata

WORDS = (
    "undefined undef null NULL (null) nil NIL true "
    "false True False TRUE FALSE None hasOwnProperty then constructor "
    "__proto__ prototype toString __dict__ __class__ NaN Infinity -Infinity "
    "INF 1#INF -1#IND CON PRN AUX NUL COM1 "
    "LPT1 nul.txt select from where id message deleted admin root"
).split()
NUMBERS = (
    "0 1 -1 +1 -0 00 01 1.00 1,000 1.000.000,00 1'000 "
    "1/2 1/0 0/0 .5 5. -.5 1e3 1E+02 1e-1 1e309 -1e309 1e-400 "
    "0x0 0xffffffff 0b1 0o7 1_000 2147483647 2147483648 -2147483649 4294967296 9007199254740993 "
    "9223372036854775808 18446744073709551616 999999999999999999999999999999 ١٢٣ ۱۲۳ १२३ 一二三 "
    "²³ ½ Ⅻ １２３ --1 0.0.0 1.2.3.4 "
    "2026-02-30 24:00:00 0000-00-00 1970-01-01T00:00:00Z 9999-12-31T23:59:59+14:00"
).split()
_SCRIPTS = {
    "hebrew": "שלום עולם",
    "arabic": "مرحبا بالعالم",
    "arabic and digits": "١٢ مرحبا 34",
    "thai": "ภาษาไทยไม่มีช่องว่าง",
    "japanese": "港の嵐、ガラス",
    "half width": "ﾊﾝｶｸ",
    "korean": "바다 폭풍",
    "korean, taken apart": unicodedata.normalize("NFD", "바다"),
    "devanagari": "नमस्ते दुनिया",
    "tamil": "வணக்கம்",
    "georgian": "გამარჯობა",
    "armenian": "Բարեւ",
    "cyrillic": "раураl",
    "greek": "Σίσυφος ΣΊΣΥΦΟΣ",
    "turkish": "İıIi",
    "german": "Straße STRASSE ẞ",
    "ligatures": "ﬀﬁﬂﬃﬄﬅﬆ",
    "full width": "．．／ｅｔｃ",
    "mathematical": "𝐓𝐡𝐞 𝕢𝕦𝕚𝕔𝕜 𝖇𝖗𝖔𝖜𝖓 𝚏𝚘𝚡",
    "circled": "ⓣⓗⓔ ⓠⓤⓘⓒⓚ",
    "upside down": "˙ɐnbᴉlɐ ɐuƃɐɯ",
    "runes": "ᚠᛇᚻ᛫ᛒᛦᚦ",
    "braille": "⡌⠁⠧⠑ ⠼⠁⠒",
    "beyond the first plane": "𠜎𠜱𠝹𠱓",
    "not in any font": "\U0003ffff\U000e0000",
    "private use": "\ue000\uf8ff\U0010fffd",
    "no characters": "\ufdd0\ufffe\U0010ffff",
    "replacement": "\ufffd\ufffd",
}  # fmt: skip
_EMOJI = (
    "😍",
    "👩🏽",
    "👨‍👩‍👧‍👦",
    "🏳️‍🌈",
    "🇺🇸🇷🇺",
    "🇺",
    "1️⃣",
    "❤️",
    "❤︎",
    "👾🙇💁",
    "🏴\U000e0067\U000e0062\U000e007f",
    "🫨",
)
_SIGNS = (
    *",./;'[]-= <>?:\"{}|_+ !@#$%^&*()`~".split(), "\\", "\\\\", "Ω≈ç√∫˜µ≤≥÷", "åß∂ƒ©˙∆˚¬…æ",
    "œ∑´®†¥¨ˆøπ“‘", "¡™£¢∞§¶•ªº–≠",
    "¸˛Ç◊ı˜Â¯˘¿", "⁰⁴⁵₀₁₂", "､･ヾ", "（╯°□°）╯︵ ┻━┻", "( ͡° ͜ʖ ͡°)", "｀ｨ(´∀｀∩", "'", '"', "''", '""', "'\"'",
    "\"'\"'\"''''\"",
    "&", "&amp;", "&amp;lt;", "&#0;", "&#x110000;", "&nobody;", "<!--", "-->", "]]>", "<![CDATA[x]]>",
    "<?x?>", "<", ">", "%", "%%",
    "--", "-- [link](javascript:alert(1)) **bold** `code` $x^2$", "# head", "> quote", "~~~", "| a | b |",
    ":smile:", "<b>",
)  # fmt: skip
_CONTROLS = (*map(chr, range(1, 0x20)), "\x7f", *map(chr, range(0x80, 0xA0)))
_SPACES = (
    "\u00a0\u1680\u180e\u2000\u2001\u2002\u2003\u2007"
    "\u2008\u2009\u200a\u200b\u200c\u200d\u2028\u2029\u202f\u205f\u2060"
    "\u3000\ufeff\u00ad\u034f\u115f\u3164"
)
_DIRECTIONS = "\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u061c"
_PILED = (
    "e\u0301" * 40,
    "Z\u0351\u036b\u0343a\u0321\u0353\u031ele\u034bg\u0319o",
    "".join(chr(0x300 + number) for number in range(0x70)),
    "i\u0307\u0323",
    "a" + "\u0489" * 30,
    "क" + "\u094d\u0937" * 20,
    "ก็" * 30,
)
_QUERIES = (
    "1;DROP TABLE messages", "1'; DROP TABLE messages-- 1", "' OR 1=1 -- 1", "' OR '1'='1",
    "'; EXEC sp_x; --", '" OR ""="', "%_%",
    "') UNION SELECT password FROM users --", "1 OR SLEEP(9)", "'||(SELECT version())||'", "\\'; --",
    "admin'--", "$1", ":name", "?",
    "from:", "from:* OR", '"open', "-", "OR", "a OR", "type:", "after:never", "(((", "text:\\", "*",
    "NEAR(a b)", "a AND NOT",
    '{"$gt": ""}', "*)(uid=*", "\\x27", "ʼ OR 1=1",
)  # fmt: skip
_COMMANDS = (
    "$(id)", "`id`", "; id", "| id", "&& id", "\n/usr/bin/id\n", "$HOME", "${IFS}id", "-rf /", "--help",
    "> /tmp/x", "<(id)", "!!", "~root",
    "%PATH%", "$ENV{'HOME'}", 'System("ls -al /")', "Kernel.exec('id')", "eval(\"puts 'x'\")", "{{7*7}}",
    "${7*7}", "#{7*7}", "<%= 7*7 %>",
    "{% import os %}", "${jndi:ldap://127.0.0.1/x}", "%d", "%s%s%s%n", "%*.*s", "{0}", "{self}", "%(x)s",
    "\\N{BULLET}", "() { :; }; id",
    "<?php system('id') ?>", "__import__('os').system('id')", "require('child_process')", "@eval(x)",
    'O:8:"stdClass":0:{}',
)  # fmt: skip
_PATHS = (
    "../../etc/passwd", "..\\..\\boot.ini", "/etc/passwd", "/dev/null", "/proc/self/environ", "....//",
    "..%2f", "%2e%2e%2f", "..%c0%af",
    "C:\\x", "\\\\server\\x", "file:///etc/passwd", "http://127.0.0.1/", "http://[::1]/", "//127.0.0.1/x",
    "a/../b", ".", "..", "...",
    ".htaccess", "a.jpg\x00.php", "x" * 255, "con.txt", "a:b", "a b.jpg", " a", "a ",
    "data:text/html,<script>alert(1)</script>",
)  # fmt: skip
_CELLS = (
    "=1+1",
    "=cmd|' /C calc'!A0",
    "+1+1",
    "-1+1",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    "＝1+1",
    '=HYPERLINK("http://127.0.0.1/")',
)
_TERMINAL = (
    "\x1b[31mred",
    "\x1b]0;title\x07",
    "\x1b[2J\x1b[H",
    "\x1bc",
    "\x9b31m",
    "\x1b]8;;http://127.0.0.1/\x07x",
    "a\bb\b\b",
    "\x07",
)
_INNOCENT = (
    "Scunthorpe General Hospital",
    "Penistone Community Church",
    "Evaluate the basement",
    "Linda Callahan",
    "Jimmy Clitheroe",
)
_TAGS = (
    "img src=x",
    "svg",
    "body",
    "video src=x",
    "input autofocus",
    "details open",
    "iframe srcdoc=x",
    "a href=x style=a",
    "marquee",
)
_EVENTS = ("onerror", "onload", "onfocus", "ontoggle", "onmouseover", "onstart")
_OPENERS = ("", '">', "'>", "</textarea>", "</script>", "--><", "]]>")
_SCHEMES = (
    "javascript:alert(1)", "JaVaScRiPt:alert(1)", "java\tscript:alert(1)", "java\nscript:alert(1)",
    "\x01javascript:alert(1)",
    "javascript&colon;alert(1)", "vbscript:alert(1)", "data:text/html;base64,PHNjcmlwdD4=",
    "&#106;avascript:alert(1)",
)  # fmt: skip


def _markup() -> list[str]:
    """Return markup that runs `alert(1)` where a page takes text for markup."""
    events = [f"<{tag} {event}=alert(1)>" for tag in _TAGS for event in _EVENTS]
    scripts = [f"{opener}<script>alert(1)</script>" for opener in _OPENERS]
    shapes = ["<ScRiPt>alert(1)</sCrIpT>", "<script\x20type=x>alert(1);</script>",
              "<script/x>alert(1)</script>",
              "<script src=//127.0.0.1/x></script>", "＜script＞alert(1)＜/script＞",
              "<scr<script>ipt>alert(1)</script>",
              "<<script>alert(1)//<</script>", "<script>alert(1)", "&lt;script&gt;alert(1)&lt;/script&gt;",
              "<style>@import'javascript:alert(1)'</style>",
              '<meta http-equiv=refresh content="0;url=javascript:alert(1)">',
              '<math><mi//xlink:href="data:x,<script>alert(1)</script>">',
              "<base href=javascript:alert(1)//>",
              "<form action=javascript:alert(1)><button>x",
              '" onmouseover=alert(1) x="', "' autofocus onfocus=alert(1) '"]  # fmt: skip
    links = [f'<a href="{scheme}">x</a>' for scheme in _SCHEMES]
    quotes = [
        f"{quote};alert(1){end}"
        for quote, end in itertools.product(("'", '"', "`", "\\'"), ("//", "<!--", ""))
    ]
    return [*events, *scripts, *shapes, *_SCHEMES, *links, *quotes]


def _placed() -> list[str]:
    """Return what is odd only by its place: alone, at the start, within and at the end of a text."""
    odd = (*_CONTROLS, *_SPACES, *_DIRECTIONS)
    within = [f"a{one}b" for one in odd]
    return [
        *(one for one in odd if one > " "),
        *within,
        *(f"{one}a" for one in _DIRECTIONS),
        *(f"a{one}" for one in _SPACES),
    ]


def naughty_strings() -> list[str]:
    """Return strings that break programs, each once, the empty one first."""
    made = ["", " ", "  ", "a\0b", *WORDS, *NUMBERS, *_SIGNS, *_SCRIPTS.values(), *_EMOJI, *_PILED,
            *_placed(), *_markup(), *_QUERIES, *_COMMANDS, *_PATHS, *_CELLS, *_TERMINAL,
            *_INNOCENT]  # fmt: skip
    return list(dict.fromkeys(made))


_WHOLE = (
    "{}", "[]", "null", "true", "false", "0", '"x"', '""', " [] ", "\n{}\n", "[[]]", '[""]',
    '[null,1,"1",{}]', '{"a":1}', '{"":0}',
    '{"a":[]}', '{"a":{"b":{}}}', '{"a":"b","a":"c"}', '{"a":null}', '{"min":-1e-7,"max":1e7}',
    '{"a\\u0000b":1}', '{"\\n":1}', "[1,[2,[3]]]",
)  # fmt: skip
_GOOD_NUMBERS = (
    "0 -0 1 -1 12 1.5 -1.5 0.1 1e1 1E1 1e+1 1e-1 0e0 0e+1 -0.0e-0 123456789 1e22 20e1 123.456e78 -123.456E-78"
).split()
_LARGE_NUMBERS = (
    "1e309 -1e309 1e-400 1e99999 "
    "123123e100000 -123123e100000 100000000000000000000 -9223372036854775809 0.4e00669999999"
).split()
_BAD_NUMBERS = (
    "+1 -01 01 012 00 -00 1. .5 -.5 1.e1 1e 1e+ 1eE1 1.0e "
    "1.0e+ 1.0e- 0e 0e+ 0E 0E+ 0.e1 0.1.2 0.3e 0.3e+ 1ea 1_000 1+2 1,,2 "
    "++1 +- - -- -x -a -NaN NaN Infinity -Infinity +Inf Inf nan 0x1 0x42 "
    "0b1 0o1 1f 1d 1L 2.e+3 2.e-3 2.e3 9.e+ １ ١ 1a 1: -1x 1\\u0065 "
    "-foo 1.8011670033376514H-308 1e1.5 e1 E .e1 -1.0. 0.-1"
).split()
_GOOD_TEXTS = (
    r"\"", r"\\", r"\/", r"\b\f\n\r\t", r"\u0041", r"\u00e9", r"\uD83D\uDC1F", r"\u0000", r"\u2028",
    r"\uFFFF", r"\uFDD0", r"\\u0000", r"\u0022",
    "é", "😀", "\u2028", "\u2029", "\x7f", "\ufeff", "\U0010ffff", "/", "a" * 1000, r"\\n", r"\uDBFF\uDFFE",
    "π", "\u0080", " ", r"\u005C",
)  # fmt: skip
_DOUBTFUL_TEXTS = (
    r"\ud800",
    r"\udc00",
    r"\ud800a",
    r"\uDC00\uD800",
    r"\ud800\ud800",
    r"\ud800\n",
    r"\uDFAA",
    r"\uD888\u1234",
    r"\ud83d\u0000",
    r"a\ud800b",
)
_BAD_TEXTS = (
    r"\x00", r"\u", r"\u0", r"\u00", r"\u00A", r"\u00G0", r"\U0041", r"\a", r"\e", r"\0", r"\'", "\\\t",
    "\\\n", "\t", "\n", "\r", "\x01", "\x1f",
    r"\ud800\u", r"\ud800\u1", r"\uD834\uDd", r"\u{41}", "\\é", r"\ ", "\\", '"', 'a"b', "\0", r"\u-123",
    r"\u 041", r"\*",
)  # fmt: skip
_BAD_ARRAYS = (
    "[", "]", "[[", "[]]", "[,]", "[,1]", "[1,]", "[1,,2]", "[1,,]", "[1 2]", "[1:2]", "[1", "[1,", '["a"',
    '["a', '["a",\n4\n,1,', "[}", "[1}",
    "[x]", "[x", "['a']", "[a,b]", "[][]", "[1]x", "[1],", "[*]", "[-", "[\\u0061]", "[...]", "[1/*c*/]",
    "[1//c\n]", "[1#c\n]", "[<null>]", "[nul]",
    "[tru]", "[fals]", "[True]", "[None]", "[undefined]", "[\f]", "[\v1]", "[\u2060]", "[\u00a0]", "[1;2]",
    "[(1)]", "[`a`]", '["a" "b"]',
    '["a":1]', "[{]", "[{}", "[[[[1]]]", "[1]]", "[,", "[''", '["\\"]',
)  # fmt: skip
_BAD_OBJECTS = (
    "{", "}", "{]", "{{", "{}}", "{,}", '{"a"}', '{"a":}', '{"a"', '{"a":', '{"a":1', '{"a":1,',
    '{"a":1,}', '{"a":1,,"b":2}', '{,"a":1}',
    '{"a":1 "b":2}', '{"a" 1}', '{"a"::1}', '{"a",1}', '{"a"=1}', '{"a"=>1}', "{a:1}", "{'a':1}",
    "{'a':'b'}", "{1:1}", "{null:1}", "{[]:1}", "{{}:1}",
    '{"a":1}}', '{"a":1}x', '{"a":1}#', '{"a":1}//c', '{"a":1}/**/', '{"a":/*c*/1}', '//c\n{"a":1}',
    '#c\n{"a":1}', '{"a":1;"b":2}', '{"a":(1)}',
    '{"a":b}', '{"a":tru}', '{"a":True}', '{"a":"b}', '{"a:"b"}', '{"a""b"}', "{\"a\":'b'}",
    '{"a":1}{"b":2}', '{"a":1},{"b":2}', "{*}", '{"\\x":1}',
    '{"a":\v1}', '{"a"\u00a0:1}', "{\u201ca\u201d:1}", '{"a":undefined}', '{"a":NaN}', '{"a":1}\0',
    '\0{"a":1}', "{9999E9999:1}", "{:1}", '{"a":"b",c}',
)  # fmt: skip
_BAD_STRUCTURE = (
    "", " ", "\n", "x", "nul", "tru", "nothing", "'", '"', '"x', "'x'", "\\", "\\u0061", ",", ":", ";",
    "*", "<null>", "<x/>", "a=1&b=2", "--x",
    "\u2060", "[1]\u2060", "null null", "1 2", '"a" "b"', "()", "@", "…", "\ufeff", "\x00", "\x1b",
    '["asd]', "[1,\n1\n,1", "%7B%7D", "!json",
)  # fmt: skip
_BYTES = (
    b"\xff", b"\xc0\x80", b"\xe9", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xfc\x83\xbf\xbf\xbf\xbf",
    b"\xe0\xff", b"\xf0\x80\x80", b"\x80", b"\xe2\x80",
)  # fmt: skip
_ENCODINGS = (
    "utf-16",
    "utf-16-le",
    "utf-16-be",
    "utf-32",
    "utf-32-le",
    "utf-32-be",
    "utf-8-sig",
    "utf-7",
    "cp037",
    "latin-1",
)


def odd_json() -> dict[str, bytes]:
    """Return JSON by name: what a parser must take, what it must refuse, and what it may do either with."""
    taken = (
        *_WHOLE,
        *(f"[{number}]" for number in _GOOD_NUMBERS),
        *(f'["{text}"]' for text in _GOOD_TEXTS),
        *("[" * deep + "]" * deep for deep in (10, 100, 500)),
    )
    either = (*(f"[{number}]" for number in _LARGE_NUMBERS), *(f'["{text}"]' for text in _DOUBTFUL_TEXTS))
    refused = (
        *(f"[{number}]" for number in _BAD_NUMBERS),
        *(f'["{text}"]' for text in _BAD_TEXTS),
        *_BAD_ARRAYS, *_BAD_OBJECTS, *_BAD_STRUCTURE,
    )  # fmt: skip
    cases = {
        f"{verdict} {text[:40]!r} {number}": text.encode()
        for verdict, texts in (("taken", taken), ("either", either), ("refused", refused))
        for number, text in enumerate(texts)
    }
    cases |= {f"refused bytes {raw.hex()}": b'["' + raw + b'"]' for raw in _BYTES}
    cases |= {f"either in {encoding}": '{"a":"é"}'.encode(encoding, "replace") for encoding in _ENCODINGS}
    return cases


def is_json(data: bytes) -> bool:
    """Return whether Python's own parser takes it as UTF-8, without the constants that JSON does not have."""

    def refuse(constant: str) -> None:
        raise ValueError(constant)

    try:
        json.loads(data.decode(), parse_constant=refuse)
    except (ValueError, RecursionError):
        return False
    return True
