"""Loops of every kind, nested, with their iterators half-way."""

from hetmig.testing import point


def case_for_over_range():
    total = 0
    for i in range(40):
        total = total * 31 + i
    return total


def case_while_with_plain_comparison():
    i, seen = 0, []
    while i < 40:
        i += 3
        seen.append(i)
    return i, seen


def case_while_float_and_string():
    x, word = 1.0, ""
    while x < 1e6:
        x *= 1.7
    while word != "aaaaaaaaaaaa":
        word += "a"
    return x, word


def case_while_true_with_break_and_continue():
    n, odd = 0, []
    while True:
        n += 1
        if n % 2:
            odd.append(n)
            continue
        if n > 25:
            break
    else:
        odd.append("never")
    return odd


def case_nested_loops_over_everything():
    table = {}
    for i, word in enumerate("alpha beta gamma".split()):
        for letter in word:
            for key, value in {"x": i, "y": len(word)}.items():
                table[letter, key] = table.get((letter, key), 0) + value
    return table


def case_for_else():
    found = []
    for n in range(2, 30):
        for d in range(2, n):
            if n % d == 0:
                break
        else:
            found.append(n)
    return found


def case_iterators_side_by_side():
    out = []
    letters = iter("abcdefgh")
    for a, b in zip([1, 2, 3], (4.5, 5.5, 6.5), strict=True):
        for c in reversed([a, b]):
            out.append((c, next(letters)))
    for pair in zip("xyz", range(3)):
        out.append(pair)
    return out, list(letters)


def case_dict_iteration_sees_its_dict():
    stock = {"a": 1, "b": 2, "c": 3}
    out = []
    try:
        for name in stock:
            out.append(name)
            if name == "b":
                stock["d"] = 4
    except RuntimeError as error:
        out.append(str(error))
    return out, stock


def case_list_grows_while_iterated():
    numbers = [1]
    for n in numbers:
        if n < 50:
            numbers.append(n * 2)
    return numbers


def case_map_filter_are_lazy():
    out = []
    for value in map(str, filter(None, [0, 1, 2, 0, 3])):
        out.append(point(value))
    return out


def case_comprehensions():
    squares = [n * n for n in range(10)]
    table = {n: [m for m in range(n)] for n in range(4)}
    evens = {n for n in squares if n % 2 == 0}
    return squares, table, sorted(evens)


def case_big_numbers():
    a, b = 1, 1
    for _ in range(60):
        a, b = b, a * b + (a << 7)
        if b.bit_length() > 4000:
            b %= (1 << 521) - 1
    return a, b, float(a % 10**15)


def case_match_in_a_loop():
    out = []
    for item in [1, "two", (3, 4), {"k": 5, "j": 6}, [7, 8, 9], None]:
        match item:
            case int(n):
                out.append(point(n))
            case str() as s:
                out.append(s.upper())
            case (a, b):
                out.append(a + b)
            case {"k": k, **rest}:
                for key in rest:
                    out.append((k, key))
            case [first, *others]:
                for other in others:
                    out.append(first * other)
            case _:
                out.append("nothing")
    return out


def case_unpacking_and_deleting():
    out = []
    for i in range(6):
        first, *middle, last = range(i, i + 5)
        if i % 2:
            del middle
        else:
            out.append(middle)
        out.append((first, last))
        value = i
        del value
    return out
