"""Code that was not written for it: algorithms of the standard library, stopped on their way."""

import _strptime
import ast
import base64
import calendar
import collections
import colorsys
import configparser
import contextlib
import copy
import csv
import dataclasses
import difflib
import dis
import email.message
import email.parser
import enum
import fnmatch
import fractions
import functools
import graphlib
import html
import html.parser
import http.cookies
import importlib
import inspect
import io
import ipaddress
import json.decoder
import json.encoder
import json.scanner
import pathlib
import plistlib
import posixpath
import pprint
import quopri
import random
import reprlib
import shlex
import statistics
import string
import sys
import textwrap
import tokenize
import tomllib
import typing
import urllib.parse
import xmlrpc.client
import zipfile


def without_accelerator(name, accelerator):
    """A module as it is where its helper in C is missing."""
    saved = {key: sys.modules.pop(key, None) for key in (name, accelerator)}
    sys.modules[accelerator] = None
    try:
        return importlib.import_module(name)
    finally:
        for key, module in saved.items():
            sys.modules.pop(key, None)
            if module is not None:
                sys.modules[key] = module


def case_json_decoder_in_python():
    class Decoder(json.decoder.JSONDecoder):
        def __init__(self):
            super().__init__()
            self.parse_string = json.decoder.py_scanstring
            self.scan_once = json.scanner.py_make_scanner(self)

    return Decoder().decode('{"a": [1, 2.5, "x\\n\\u00e9"], "b": {"c": null}}')


def case_difflib_ratio_and_matches():
    matcher = difflib.SequenceMatcher(None, "qabxcd", "abycdf")
    return matcher.ratio(), matcher.get_matching_blocks(), matcher.get_opcodes()


def case_textwrap():
    text = "The quick brown fox, jumped over a supercalifragilistic dog."
    return textwrap.wrap(text, 17), textwrap.shorten(text, 20), textwrap.dedent("  a\n   b\n  c")


def case_statistics():
    data = [1.5, 2.5, 2.5, 2.75, 3.25, 4.75]
    return (
        statistics.mean(data),
        statistics.variance(data),
        statistics.quantiles(data, n=4),
        statistics.multimode(data),
        statistics.linear_regression(range(6), data),
    )


def case_heapq_in_python():
    heapq = without_accelerator("heapq", "_heapq")
    heap = [5, 3, 8, 1]
    heapq.heapify(heap)
    heapq.heappush(heap, 2)
    return [heapq.heappop(heap) for _ in range(len(heap))], heapq.nsmallest(2, [4, 1, 3])


def case_ast_literal_and_unparse():
    tree = ast.parse("x = [1, -2, {'a': (3, 4)}]")
    return ast.unparse(tree), ast.literal_eval("[1, -2, {'a': (3, 4)}]")


def case_pprint_knows_objects_by_address():
    data = {"numbers": list(range(5)), "nested": {"key": ["some text"] * 2, "z": ()}}
    return [pprint.pformat(data, width=40) for _ in range(2)]


def case_graphlib():
    sorter = graphlib.TopologicalSorter({"d": {"b", "c"}, "b": {"a"}, "c": {"a"}})
    sorter.prepare()
    order = []
    while sorter.is_active():
        ready = sorted(sorter.get_ready())
        order.append(ready)
        sorter.done(*ready)
    try:
        graphlib.TopologicalSorter({1: [2], 2: [1]}).prepare()
    except graphlib.CycleError as error:
        order.append(str(error))
    return order


def case_html_parser():
    class Collector(html.parser.HTMLParser):
        def __init__(self):
            super().__init__()
            self.seen = []

        def handle_starttag(self, tag, attrs):
            self.seen.append((tag, attrs))

        def handle_data(self, data):
            self.seen.append(data)

    collector = Collector()
    collector.feed("<p class='a'>one &amp; <b>two</b>")
    collector.close()
    return collector.seen


def case_regular_expression_compiler():
    parser = importlib.import_module("re._parser")
    return repr(parser.parse(r"(?P<word>[a-z]+?)|\d{2,3}(?=x)"))


def case_deepcopy_knows_objects_by_address():
    inner = [1, 2]
    data = {"a": inner, "b": (inner, {3: inner})}
    for n in range(2):
        data["self"] = data
        made = copy.deepcopy(data)
    return made["self"] is made, made["a"] is made["b"][0], made["b"][1], made["a"] is inner


def case_csv_sniffer():
    dialect = csv.Sniffer().sniff("a;b\n1;2\n")
    return dialect.delimiter, list(csv.reader(io.StringIO("a;b\n1;2\n"), dialect))


def case_urllib_parse():
    url = "http://user@host:80/a/../b?q=1&r=%20#f"
    return (
        urllib.parse.urlsplit(url),
        urllib.parse.urljoin(url, "../c"),
        urllib.parse.parse_qs("q=1&r=%20&q=2"),
        urllib.parse.quote("a b/ü"),
    )


def case_random_in_python():
    generator = random.Random(7)
    items = list(range(6))
    generator.shuffle(items)
    return items, generator.sample(range(50), 4), generator.choices("abc", k=3), generator.gauss()


def case_collections():
    ordered = collections.OrderedDict.fromkeys("abc")
    ordered.move_to_end("a")
    counter = collections.Counter("mississippi")
    counter.subtract("sip")
    chained = collections.ChainMap({"a": 1}, {"b": 2})
    return list(ordered), counter.most_common(2), dict(+counter), sorted(chained.items())


def case_fnmatch_and_quopri():
    return (
        fnmatch.translate("a*[!b-d]?.txt"),
        quopri.encodestring(b"a=b\n\xe9 c "),
        quopri.unhex("4a"),
    )


def case_email_parser():
    message = email.parser.Parser().parsestr("Subject: hi\nTo: a@b\n\nbody\n", headersonly=True)
    made = email.message.Message()
    made.add_header("X-One", "1", kind="two")
    return message.items(), message.get_payload(), made.as_string()


def case_colorsys():
    return [colorsys.rgb_to_hls(0.2, 0.4, n / 4) for n in range(4)], colorsys.hsv_to_rgb(0.3, 1, 1)


def case_json_encoder_in_python():
    encoder = json.encoder.JSONEncoder(indent=1, sort_keys=True)
    saved, json.encoder.c_make_encoder = json.encoder.c_make_encoder, None
    try:
        return encoder.encode({"b": [1, 2.5, None], "a": {"x": "\u00e9", "y": (True, [])}})
    finally:
        json.encoder.c_make_encoder = saved


def case_difflib_texts():
    one, two = ["a\n", "b\n", "c\n"], ["a\n", "x\n", "c\n", "d\n"]
    return (
        list(difflib.unified_diff(one, two, "one", "two")),
        list(difflib.ndiff(["one word\n"], ["one world\n"])),
        difflib.get_close_matches("appel", ["ape", "apple", "peach"]),
    )


def case_fractions():
    numbers = [fractions.Fraction(n, 7) for n in range(1, 4)]
    return (
        sum(numbers[1:], numbers[0]),
        fractions.Fraction("3.1415").limit_denominator(50),
        numbers[0] ** 3 / numbers[1] - 2,
        sorted(numbers, reverse=True)[0] // fractions.Fraction(1, 9),
    )


def case_heapq_merge():
    heapq = without_accelerator("heapq", "_heapq")
    return list(heapq.merge([1, 4, 7], [2, 5], [3])), heapq.nlargest(2, [5, 1, 9, 3])


def case_bisect_in_python():
    bisect = without_accelerator("bisect", "_bisect")
    items = [1, 3, 5, 7]
    bisect.insort(items, 4)
    bisect.insort_left(items, 3)
    return items, bisect.bisect_left(items, 3), bisect.bisect_right(items, 3)


def case_tokenize():
    text = 'def f(x):\n    return x + "a" # why\n'
    return [tuple(token)[:3] for token in tokenize.generate_tokens(io.StringIO(text).readline)]


def case_string_formatter_and_template():
    formatter = string.Formatter()
    return (
        formatter.format("{0:>5} {a[1]!r} {b.real:{w}}", 7, a=["x", "y"], b=2, w=3),
        string.Template("$who likes ${what}, $$5").substitute(who="tim", what="kung pao"),
        string.Template("$x $y").safe_substitute(x=1),
        string.capwords("some words here"),
    )


def case_configparser():
    parser = configparser.ConfigParser()
    parser.read_string("[one]\nhome = /x\npath = %(home)s/y\n  more\n[two]\nflag = yes\n")
    written = io.StringIO()
    parser.write(written)
    try:
        parser.get("three", "x")
    except configparser.NoSectionError as error:
        failed = str(error)
    return parser["one"]["path"], parser.getboolean("two", "flag"), written.getvalue(), failed


def case_zipfile_in_memory():
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(zipfile.ZipInfo("a.txt"), b"some text" * 5)
        archive.writestr(zipfile.ZipInfo("b/c.txt"), b"more")
    with zipfile.ZipFile(file) as archive:
        return archive.namelist(), archive.read("a.txt"), archive.testzip()


def case_calendar():
    return (
        calendar.TextCalendar(6).formatmonth(2024, 2),
        calendar.monthrange(2023, 2),
        [week[0] for week in calendar.Calendar().monthdayscalendar(2025, 3)],
        calendar.timegm((2024, 1, 2, 3, 4, 5)),
    )


def case_shlex():
    lexer = shlex.shlex("a 'b c' d;e # no", posix=True, punctuation_chars=True)
    return shlex.split('x "y z" \\q'), list(lexer), shlex.join(["a b", "c"]), shlex.quote("it's")


def case_element_tree_in_python():
    tree = without_accelerator("xml.etree.ElementTree", "_elementtree")
    root = tree.Element("root", {"k": "a&b"})
    for n in range(3):
        child = tree.SubElement(root, "item", n=str(n))
        child.text = f"text {n}"
    root[1].set("late", "<")
    root.remove(root[0])
    found = [item.get("n") for item in root.iter("item")]
    tree.indent(root)
    return tree.tostring(root), found, "".join(root.itertext())


def case_datetime_in_python():
    module = without_accelerator("datetime", "_datetime")
    day = module.date(2024, 2, 28) + module.timedelta(days=2)
    moment = module.datetime(2024, 1, 31, 12, tzinfo=module.timezone(module.timedelta(hours=2)))
    return (
        day.isoformat(),
        day.isocalendar()[1],
        (moment - module.timedelta(minutes=90)).isoformat(),
        module.datetime.fromisoformat("2024-01-02T03:04:05").strftime("%d.%m.%Y"),
    )


def case_dataclasses():
    point = dataclasses.make_dataclass("Point", [("x", int), ("y", list)], order=True)
    one = point(1, [2])
    two = dataclasses.replace(one, x=3)
    return dataclasses.asdict(two), dataclasses.astuple(one), one < two, repr(two)


def case_enum():
    class Color(enum.Flag):
        RED = enum.auto()
        GREEN = enum.auto()
        BOTH = RED | GREEN

    level = enum.IntEnum("Level", "LOW HIGH")
    return (
        [color.name for color in Color],
        (Color.RED | Color.GREEN) is Color.BOTH,
        repr(~Color.RED),
        [int(item) for item in level],
        level(2).name,
    )


def case_typing():
    def f(a: "int", b: typing.Optional["list[str]"] = None) -> typing.Union[int, str]: ...

    return (
        repr(typing.get_type_hints(f)),
        typing.get_args(typing.Dict[str, typing.List[int]]),
        str(inspect.signature(f)),
    )


def case_copy():
    data = {"a": [1, 2], "b": (3, {4})}
    shallow = copy.copy(data)
    return shallow, shallow["a"] is data["a"], copy.copy(fractions.Fraction(1, 3))


def case_tomllib():
    return tomllib.loads(
        'a = [1, 2.5]\n[t.u]\nd = 2024-01-02\ns = "x\\ty"\n[[v]]\nk = {z = true}\n'
    )


def case_ipaddress():
    network = ipaddress.ip_network("10.0.0.0/29")
    return (
        [str(host) for host in network.hosts()],
        str(ipaddress.ip_address("::1:2").exploded),
        [str(part) for part in network.subnets(1)],
        ipaddress.ip_address("10.0.0.3") in network,
    )


def case_paths():
    path = pathlib.PurePosixPath("/a/b/../c.tar.gz")
    return (
        path.parts,
        path.suffixes,
        path.with_name("d"),
        path.relative_to("/a"),
        posixpath.normpath("/x//y/../z/."),
        path.match("*.gz"),
    )


def case_plistlib_and_xmlrpc():
    written = plistlib.dumps({"a": [1, True, b"xy"], "b": {"c": 1.5}})
    return written, xmlrpc.client.dumps((1, ["x", {"y": 2.5}]), "method")


def case_base64_and_html():
    return (
        base64.b85encode(b"some bytes here"),
        base64.a85decode(base64.a85encode(b"\0\0\0\0abc")),
        base64.b32decode("MFRGG==="),
        html.unescape("&lt;&eacute;&#x41;&bogus;"),
    )


def case_reprlib():
    return reprlib.repr(list(range(50))), reprlib.repr({"a" * 50: [[[[[[[1]]]]]]]})


def case_strptime_and_cookies():
    cookie = http.cookies.SimpleCookie("a=1; b=2")
    cookie["c"] = 'x "y"'
    return tuple(_strptime._strptime("3 Feb 2024", "%d %b %Y")[0])[:6], cookie.output()


def case_dis_and_ast_visitor():
    class Names(ast.NodeVisitor):
        def __init__(self):
            self.found = []

        def visit_Name(self, node):
            self.found.append(node.id)
            self.generic_visit(node)

    names = Names()
    names.visit(ast.parse("a = b + f(c)[d:e]"))
    return names.found, [i.opname for i in dis.get_instructions(compile("x + 1", "", "eval"))]


def case_singledispatch_and_exit_stack():
    @functools.singledispatch
    def kind(value):
        return "object"

    @kind.register(int)
    def _(value):
        return "int"

    log = []
    with contextlib.ExitStack() as stack:
        for n in range(3):
            stack.callback(log.append, n)
    return kind(1), kind(""), kind(True), log
