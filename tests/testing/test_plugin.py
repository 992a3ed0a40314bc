"""The pytest plugin: what it moves, what it says, what it lets fail."""

import tomllib
from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
def run(pytester, monkeypatch):
    """Run tests in a pytest of its own, with the plugin loaded as for a user."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)

    def run(source, *options):
        pytester.makepyfile(source)
        return pytester.runpytest_subprocess(
            "-p", "hetmig", "-p", "no:cacheprovider", "-W", "error", *options
        )

    return run


LOOP = """
    import pytest

    @pytest.mark.hetmig{arguments}
    def test_loop():
        total = 0
        for i in range(4):
            total += i
        assert total == 6
"""


def test_it_is_an_entry_point():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert project["entry-points"]["pytest11"] == {"hetmig": "hetmig.pytest_plugin"}


@pytest.mark.parametrize(
    "arguments",
    [
        "",
        '(where="process")',
        '(where="process", ping_pong=True)',
        "(ping_pong=True, at_most=2)",
        "(at_most=3, seed=2, least=3)",
    ],
)
def test_a_marked_test_is_moved(run, arguments):
    result = run(LOOP.format(arguments=arguments), "-v")
    result.assert_outcomes(passed=1)
    result.stdout.re_match_lines([r".*hetmig torture", r"1 tests moved at \d+ of \d+ safe points"])
    result.stdout.re_match_lines([r"test_.*::test_loop: moved at \d+ of \d+ safe points"])


def test_a_test_without_the_marker_is_left_alone(run):
    result = run("def test_it():\n    assert True\n")
    result.assert_outcomes(passed=1)
    result.stdout.no_fnmatch_line("*hetmig torture*")


@pytest.mark.parametrize("option", [[], ["--hetmig-torture"]])
def test_a_test_that_fails_or_skips_is_not_tortured(run, option):
    result = run(
        """
        import pytest

        @pytest.mark.hetmig
        def test_fails():
            assert [0] == [1]

        @pytest.mark.hetmig
        def test_skips():
            pytest.skip("today")
        """,
        *option,
    )
    result.assert_outcomes(failed=1, skipped=1)
    result.stdout.fnmatch_lines(["*assert [[]0[]] == [[]1[]]*"])
    result.stdout.no_fnmatch_line("*hetmig torture*")


WRONG = """
    import os
    HOME = os.getpid()

    {marker}
    def test_wrong():
        for i in range(3):
            elsewhere = os.getpid() != HOME
        assert not elsewhere
"""


@pytest.mark.parametrize(
    ("marker", "options"),
    [
        ('import pytest\n    @pytest.mark.hetmig(where="process")', []),
        ("", ["--hetmig-torture", "--hetmig-where=process"]),
    ],
)
def test_a_wrong_outcome_fails(run, marker, options):
    result = run(WRONG.format(marker=marker), *options)
    result.assert_outcomes(failed=1)
    result.stdout.re_match_lines(
        [r".*Difference: test_wrong, moved at test_wrong .*the exception is AssertionError"]
    )
    result.stdout.re_match_lines([r" +\d+ \| "])


def test_a_marked_test_must_move(run):
    result = run(
        """
        import pytest

        @pytest.mark.hetmig(least=100)
        def test_few():
            for i in range(3):
                pass

        @pytest.mark.hetmig
        def test_fixture(capsys):
            pass

        @pytest.mark.hetmig(wrong=1)
        def test_argument():
            pass

        @pytest.mark.hetmig
        def test_unsteady():
            import os
            assert os.urandom(8) != test_unsteady.__dict__.setdefault("last", None)
            raise_ = os.urandom(8)
            test_unsteady.last = raise_
            print(raise_)
        """
    )
    result.assert_outcomes(failed=4)
    result.stdout.fnmatch_lines(["*fewer moves than 100: *test_few: moved at *"])
    result.stdout.fnmatch_lines(["*NotMigratable: *capsys*cannot travel*"])
    result.stdout.fnmatch_lines(["*the marker hetmig does not take wrong*"])
    result.stdout.fnmatch_lines(["*Unsteady: *can't be put to the test*"])


def test_all_tests_on_demand(run):
    result = run(
        """
        import pytest

        class Case:
            def test_method(self):
                for i in range(3):
                    pass

        class TestOne(Case):
            pass

        @pytest.mark.parametrize("n", [1, 2])
        def test_arguments(n, tmp_path):
            for i in range(n):
                tmp_path.joinpath(str(i)).write_text("x")

        def test_fixture(capsys):
            for i in range(2):
                pass

        def test_unsteady():
            import os
            print(os.urandom(8))
        """,
        "--hetmig-torture",
    )
    result.assert_outcomes(passed=5)
    result.stdout.re_match_lines([r"\d tests moved at \d+ of \d+ safe points tried"])
    result.stdout.re_match_lines([r"not moved: .*::test_fixture: .*capsys.*cannot travel"])
    result.stdout.re_match_lines([r"not moved: .*::test_unsteady: .*can't be put to the test"])


def test_the_number_of_moves_is_bounded_and_told(run):
    source = "def test_long():\n    for i in range(500):\n        pass\n"
    result = run(source, "--hetmig-torture", "--hetmig-at-most=10", "--hetmig-seed=3")
    result.assert_outcomes(passed=1)
    result.stdout.re_match_lines([r"1 tests moved at 10 of 10 safe points tried \(5\d\d in all\)"])


def test_the_marker_is_known_and_the_harness_not_loaded_in_vain(run):
    result = run(
        """
        import sys

        def test_nothing():
            assert "hetmig.testing" not in sys.modules
        """,
        "--strict-markers",
    )
    result.assert_outcomes(passed=1)
    assert run("", "--markers").stdout.str().count("@pytest.mark.hetmig(") == 1
