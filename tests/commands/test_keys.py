"""`hetmig keys`: two machines come to know each other."""

import json
from pathlib import Path

import pytest

from hetmig.cli import main
from hetmig.node.caller import ALL
from hetmig.node.keys import Identity, Keyring


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return tmp_path


def test_two_directories_authorise_each_other(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    laptop, box = str(home / "laptop"), str(home / "box")
    assert main(["keys", "init", laptop]) == 0
    assert main(["keys", "init", box]) == 0
    file = str(home / "box.key")
    endpoint = "tcp://box:7717"
    export = ["keys", "export", "--name", "box", "--endpoint", endpoint, "--output", file]
    assert main([*export, "--keys", box]) == 0
    assert main(["keys", "add", file, "--keys", laptop]) == 0
    capsys.readouterr()
    assert main(["keys", "list", "--json", "--keys", laptop]) == 0
    public = Keyring.open(box).identity.public.decode()
    assert json.loads(capsys.readouterr().out) == {
        "directory": laptop,
        "public": Keyring.open(laptop).identity.public.decode(),
        "authorized": [
            {"name": "box", "endpoint": endpoint, "public": public, "rights": sorted(ALL)}
        ],
    }
    assert main(["keys", "list", "--keys", laptop]) == 0
    assert endpoint in capsys.readouterr().out
    assert main(["keys", "remove", "box", "--keys", laptop]) == 0
    assert not Keyring.open(laptop).is_authorized(public.encode())


def test_without_a_directory_it_is_the_users_own(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["keys", "init"]) == 0
    assert "made keys" in capsys.readouterr().out
    assert main(["keys", "init"]) == 0
    assert "kept the keys" in capsys.readouterr().out
    assert (home / "config" / "hetmig" / "keys" / "self.key_secret").stat().st_mode & 0o77 == 0


def test_a_key_given_itself_needs_a_name(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    public = Keyring.create(home / "other").identity.public.decode()
    assert main(["keys", "add", "--", public]) == 2
    assert "--name" in capsys.readouterr().err
    assert main(["keys", "add", "--name", "other", "--", public]) == 0
    assert Keyring.open().is_authorized(public.encode())


def test_export_has_nothing_secret(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["keys", "export", "--name", "me"]) == 0
    shown = capsys.readouterr().out
    identity = Keyring.open().identity
    assert identity.public.decode() in shown
    assert identity.secret.decode() not in shown


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["add", "no-such-file.key"], 2, "neither a file nor a key"),
        (["remove", "nobody"], 1, "nobody"),
        (["list", "--keys", "/no/such/directory"], 1, "hetmig keys init"),
        (["export", "--name", "no name"], 1, "no name for a key"),
        (["add", __file__], 1, "no public key in"),
        (["authorize", "me", "--rights", "sumbit"], 2, "no list of rights"),
        (["export", "--name", "me", "--output", "/no/such/directory/me"], 2, "No such file"),
    ],
)
def test_mistakes_are_explained(
    arguments: list[str], code: int, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["keys", *arguments]) == code
    assert message in capsys.readouterr().err


def test_a_key_under_two_names_is_not_withdrawn_with_the_first(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    public = Identity.generate().public.decode()
    for name in ("old", "new"):
        assert main(["keys", "add", public, "--name", name]) == 0
    assert main(["keys", "remove", "old"]) == 0
    assert "still authorized as new" in capsys.readouterr().out
    assert main(["keys", "remove", "new"]) == 0
    assert "may not connect any more" in capsys.readouterr().out
