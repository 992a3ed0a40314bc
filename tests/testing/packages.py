"""Code that was not written for it: packages from PyPI, unmodified, stopped on their way.

`case_NAME` uses the package NAME, which it imports itself.  Not among them
is what looks objects up by `id()`, such as `boltons.iterutils.remap` and `copy.deepcopy`: addresses
are other ones after a move.
"""


def case_toolz():
    from toolz import curried, groupby, merge_with, partition_all, pipe, topk

    words = "the quick brown fox jumps over the lazy dog".split()
    counted = merge_with(sum, {"a": 1, "b": 2}, {"b": 3})
    lengths = groupby(len, words)
    piped = pipe(range(6), curried.filter(lambda n: n % 2), curried.map(lambda n: n * n), list)
    return counted, lengths, piped, list(partition_all(4, range(10))), topk(2, [3, 9, 4])


def case_more_itertools():
    import more_itertools as more

    return (
        list(more.windowed([1, 2, 3, 4], 3)),
        list(more.collapse([1, [2, [3, (4, 5)]], "six"])),
        list(more.split_at("abcdcba", lambda letter: letter == "c")),
        list(more.roundrobin("ab", "cde")),
        [list(part) for part in more.set_partitions([1, 2, 3], 2)],
        more.minmax([3, 1, 2]),
    )


def case_sortedcontainers():
    from sortedcontainers import SortedList

    items = SortedList([5, 1, 4])
    for n in (3, 9, 2):
        items.add(n)
    items.remove(4)
    return list(items), items.bisect_left(3), items[1:3], items.index(9)


def case_lark():
    import lark

    grammar = r"""
        start: item ("," item)*
        item: WORD | "[" start "]"
        WORD: /\w+/
        %ignore " "
    """
    return lark.Lark(grammar, parser="lalr").parse("a, [b, c], d").pretty()


def case_pyparsing():
    import pyparsing as pp

    number = pp.Word(pp.nums).set_parse_action(lambda found: int(found[0]))
    term = pp.infix_notation(number, [("*", 2, pp.OpAssoc.LEFT), ("+", 2, pp.OpAssoc.LEFT)])
    try:
        term.parse_string("1 + ?", parse_all=True)
    except pp.ParseException as error:
        failed = str(error)
    return term.parse_string("1 + 2 * (3 + 4)", parse_all=True).as_list(), failed


def case_mistune():
    import mistune

    text = "# Title\n\n- one\n- **two** and `code`\n\n> said [so](http://x.y)\n"
    return mistune.create_markdown()(text)


def case_tomlkit():
    import tomlkit

    document = tomlkit.parse('title = "x"  # why\n[owner]\nage = 4\nname = "a"\n')
    document["owner"]["age"] += 1
    document["new"] = {"deep": 1.5, "flag": True}
    return tomlkit.dumps(document), document.unwrap()


def case_parso():
    import parso

    module = parso.parse("def f(a, *b):\n    return [x for x in b if a < x]\n", cache=False)
    function = module.children[0]
    return module.dump(), function.name.value, [p.name.value for p in function.get_params()]


def case_sqlparse():
    import sqlparse

    text = "select a, b as c from t join u on t.x=u.x where a in (1,2) order by b; drop table t"
    formatted = sqlparse.format(text, reindent=True, keyword_case="upper")
    return formatted, [s.get_type() for s in sqlparse.parse(text)]


def case_boltons():
    from boltons import iterutils, strutils, tableutils

    nested = {"a": [1, {"b": 2}], "c": (3, "x")}
    return (
        iterutils.get_path(nested, ("a", 1, "b")),
        strutils.camel2under("someWordsHere"),
        list(iterutils.windowed(range(4), 2)),  # has a sentinel with a name as its default
        strutils.cardinalize("box", 3),
        iterutils.unique(["a", "B", "b", "a"], key=str.lower),
        iterutils.bucketize(range(5), key=lambda n: n % 2),
        list(iterutils.backoff(1, 10)),
        tableutils.Table([[1, 2], [3, 4]], headers=["x", "y"]).to_text(),
    )


def case_pycparser():
    from pycparser import c_generator, c_parser

    tree = c_parser.CParser().parse("int f(int a, char *b) { while (a--) b[a] += 2; return a; }")
    return c_generator.CGenerator().visit(tree)


def case_tinycss2():
    import tinycss2

    rules = tinycss2.parse_stylesheet("@media print { a:hover, .b { color: #f00; top: 1.5em } }")
    return tinycss2.serialize(rules), [rule.type for rule in rules]


def case_html5lib():
    import html5lib

    tree = html5lib.parse("<p class=a>one<b>two<p>three &amp; four<table><td>x", treebuilder="dom")
    return tree.toxml()


def case_markdown():
    import markdown

    text = "Title\n=====\n\n* one\n* *two*\n\n1. [x](y)\n\n    code\n"
    return markdown.markdown(text, extensions=["tables"])


def case_simpleeval():
    import simpleeval

    evaluate = simpleeval.SimpleEval(names={"a": 3}, functions={"double": lambda n: 2 * n})
    try:
        evaluate.eval("missing + 1")
    except simpleeval.NameNotDefined as error:
        failed = str(error)
    return evaluate.eval("double(a) + (4 if a > 2 else 5) ** 2"), failed


def case_tabulate():
    import tabulate

    rows = [["sun", 696000.5, None], ["earth", 6371, "x"]]
    return [tabulate.tabulate(rows, headers=["a", "b", "c"], tablefmt=f) for f in ("grid", "pipe")]


def case_jmespath():
    import jmespath

    data = {"people": [{"name": "a", "age": 3}, {"name": "b", "age": 5}]}
    return (
        jmespath.search("people[?age > `4`].name", data),
        jmespath.search("sort_by(people, &age)[*].[name, age]", data),
    )


def case_chevron():
    import chevron

    template = "{{#items}}<{{name}}{{^last}}, {{/last}}>{{/items}}{{! no }}{{{raw}}}"
    return chevron.render(
        template, {"items": [{"name": "a"}, {"name": "b", "last": 1}], "raw": "&"}
    )
