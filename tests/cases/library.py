"""Code that was not written for it: algorithms of the standard library, stopped on their way."""

import ast
import collections
import colorsys
import copy
import csv
import difflib
import email.message
import email.parser
import fnmatch
import graphlib
import html.parser
import importlib
import io
import json.decoder
import json.scanner
import pprint
import quopri
import random
import statistics
import sys
import textwrap
import urllib.parse


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
