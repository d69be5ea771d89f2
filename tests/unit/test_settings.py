"""The configuration: what is right is read, and everything that is wrong is told at once."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Callable
from pathlib import Path

import pytest

from bot.settings import OPTIONAL, SECTIONS, MessengerSource, Settings, SettingsError, load_settings
from bot.settings_people import PersonEntry, RoomEntry
from bot.settings_reading import Source, read
from storage.people import Account, Role

MINIMAL = '[ssh]\nknown_hosts = "known_hosts"\n'
SLACK = '[slack]\nbot_token = "xoxb-1"\napp_token = "xapp-1"\n'

Load = Callable[..., Settings]
Problems = Callable[..., list[str]]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    def load_text(text: str, **environ: str) -> Settings:
        path = tmp_path / "config.toml"
        path.write_text(text, encoding="utf-8")
        return load_settings(path, environ)

    return load_text


@pytest.fixture
def problems(load: Load) -> Problems:
    def problems_in(text: str, **environ: str) -> list[str]:
        with pytest.raises(SettingsError) as caught:
            load(text, **environ)
        return caught.value.problems

    return problems_in


def test_the_least_configuration_takes_every_default(load: Load, tmp_path: Path) -> None:
    settings = load(MINIMAL)
    assert settings.ssh.known_hosts == tmp_path / "known_hosts"
    assert settings.inventory.file == tmp_path / "inventory.toml"
    assert settings.audit.key_file == tmp_path / "audit.key"
    assert settings.database.url == f"sqlite+aiosqlite:///{tmp_path}/watchstander.db"
    assert (settings.slack, settings.telegram, settings.messenger) == (None, None, None)
    assert (settings.approvals.escalate_minutes, settings.approvals.expire_hours) == (30, 24)
    assert settings.cycle.minutes == 5
    assert settings.people == ()


def test_a_full_configuration_is_read(load: Load) -> None:
    settings = load(
        MINIMAL
        + SLACK
        + """
        [telegram]
        token = "123:abcdef"
        [messenger.kakao]
        secret = "long enough"
        [[person]]
        name = "김서연"
        role = "REQUESTER"
        language = "ko"
        skills = ["LOG"]
        on_call = true
        slack = ["T123/U123", "T999/U999"]
        telegram = 12345
        messenger = "kakao/min"
        [[room]]
        address = "slack:T123/C9"
        [[room]]
        address = "telegram:-100123"
        name = "值班"
        language = "zh-TW"
        approvals = true
        cards = false
        [[room]]
        address = "messenger:kakao/room1"
        webhook_url = "https://m.example.org/x"
        """
    )
    person = settings.people[0]
    assert (person.role, person.language, person.on_call) == (Role.REQUESTER, "ko", True)
    assert set(person.accounts) == {
        Account("slack", "T123", "U123"),
        Account("slack", "T999", "U999"),
        Account("telegram", "", "12345"),
        Account("messenger", "kakao", "min"),
    }
    keys = [(room.platform, room.tenant, room.address) for room in settings.rooms]
    assert keys == [
        ("slack", "T123", "C9"),
        ("telegram", "", "-100123"),
        ("messenger", "kakao", "room1"),
    ]
    assert [room.name for room in settings.rooms][:2] == ["slack:T123/C9", "值班"]
    assert (settings.rooms[1].cards, settings.rooms[1].approvals) == (False, True)
    assert settings.messenger is not None
    assert settings.messenger.secrets == {"kakao": "long enough"}
    assert settings.messenger.webhook_urls == {"kakao/room1": "https://m.example.org/x"}


def test_a_secret_comes_from_the_environment_or_a_file(load: Load, tmp_path: Path) -> None:
    (tmp_path / "app").write_text("xapp-from-file\n")
    text = MINIMAL + '[slack]\nbot_token = "env:BOT"\napp_token_file = "app"\n'
    settings = load(text, BOT="xoxb-from-env")
    assert settings.slack is not None
    assert settings.slack.bot_token == "xoxb-from-env"
    assert settings.slack.app_token == "xapp-from-file"
    assert "from-env" not in repr(settings)


def test_the_model_servers_key_is_a_secret_too(load: Load, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("key-from-file\n")
    settings = load(MINIMAL + '[model]\nurl = "http://127.0.0.1/v1"\napi_key_file = "key"\n')
    assert settings.model.api_key == "key-from-file"
    assert "from-file" not in repr(settings)
    assert load(MINIMAL + '[model]\napi_key = "env:KEY"\n', KEY="k1").model.api_key == "k1"


def test_a_postgresql_address_stays_as_it_is(load: Load) -> None:
    url = "postgresql+psycopg://ops:p%40ss@db.example.org/watch"
    assert load(MINIMAL + f'[database]\nurl = "{url}"\n').database.url == url


def test_everything_wrong_is_told_at_once(problems: Problems) -> None:
    found = problems(
        """
        [databse]
        [web]
        prot = 1
        port = 70000
        [approvals]
        escalate_minutes = -5
        [cycle]
        minutes = "five"
        """
    )
    assert found == [
        "config.toml: databse: no such setting; did you mean database?",
        "config.toml: [web] prot: no such setting; did you mean port?",
        "config.toml: [web] port: 70000 is no port; give one from 1 to 65535",
        "config.toml: [ssh] known_hosts: is missing; add it (config.example.toml shows how)",
        "config.toml: [approvals] escalate_minutes: -5 is out of range; give a number above zero",
        "config.toml: [cycle] minutes: expected a whole number, found a text; "
        "write it without quotes",
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[database]\nurl = 5", "[database] url: expected a text, found a whole number"),
        ('[database]\nurl = "mysql://x/y"', "mysql is not supported"),
        ('[database]\nurl = "sqlite+aiosqlite://"', "names no file"),
        ('[database]\nurl = "nonsense"', "cannot be read"),
        ('[database]\nurl = "postgresql+psycopg://h:port/x"', "cannot be read"),
        ('[database]\nsynchronous = "OFF"', "neither FULL nor NORMAL"),
        ("web = 3", "[web]: expected a table, found a whole number"),
        ("[web]\nport = true", "[web] port: expected a whole number, found true or false"),
        ("[web]\nport = 0", "0 is no port"),
        ("[web]\nsession_days = nan", "is out of range"),
        ("[web]\nsession_days = inf", "is out of range"),
        ("[web]\nsession_days = 0", "give a number above zero"),
        ("[web]\nhost = 2026-11-20", "expected a text, found a date"),
        ("[plan]\nlog_roots = [1]", "[plan] log_roots: expected a text, found a whole number"),
        ("[plan]\nlog_roots = {}", "[plan] log_roots: expected a text, found a table"),
        ('[inventory]\nfile = ""', "[inventory] file: is empty; give a path"),
        ('[slack]\nbot_token = "env:NOWHERE"', "the environment has no NOWHERE"),
        ('[slack]\nbot_token_file = "nowhere"', "[slack] bot_token_file: cannot be read (No such"),
        (
            '[slack]\nbot_token = "a"\nbot_token_file = "known_hosts"',
            "[slack] bot_token: is given twice",
        ),
        ('[slack]\nbot_token = ""\napp_token = "x"', "[slack]"),
        ('[telegram]\ntoken = "not a token"', "not a bot token"),
        ('[messenger.kakao]\nsecret = ""', "[messenger.kakao] secret: is empty"),
        ("[messenger.kakao]\n", "[messenger.kakao] secret: is missing"),
        ("messenger = 1", "[messenger]: expected a table"),
        ("[messenger]\ntimeot_s = 1.0", "did you mean timeout_s?"),
        ("person = 1", "[[person]]: expected a list of tables"),
        ("person = [1]", "[[person]]: expected a list of tables"),
        ('[[person]]\nrole = "ADMIN"', "[[person]] 1 name: is missing"),
        ('[[person]]\nname = "A"\nrole = "admin"', "no such role 'admin'"),
        ('[[person]]\nname = "A"\nrole = "ADMIN"\nlanguage = "zh"', "'zh' is not spoken here"),
        ('[[person]]\nname = "A/B"\nrole = "ADMIN"', "[[person]] A/B name: cannot be used"),
        ('[[person]]\nname = "a\\u202eb"\nrole = "ADMIN"', "name: cannot be used"),
        ('[[person]]\nname = " "\nrole = "ADMIN"', "name: cannot be used"),
        ('[[person]]\nname = "A"\nrole = "ADMIN"\nslack = "U1"', "'U1' is not TEAM/USER"),
        ('[[person]]\nname = "A"\nrole = "ADMIN"\ntelegram = "min"', "expected a whole number"),
        ('[[person]]\nname = "A"\nrole = "ADMIN"\nmessenger = "x"', "is not SOURCE/USER"),
        ('[[person]]\nname = "A"\nrole = "ADMIN"\ntelegram = 1', "telegram is not set up"),
        ('[[room]]\naddress = "ops"', "'ops' is no room"),
        ('[[room]]\naddress = "slack:C9"', "'slack:C9' is no room"),
        ('[[room]]\naddress = "telegram:@team"', "is no room"),
        ('[[room]]\naddress = "telegram:١٢"', "is no room"),
        ('[[room]]\naddress = "web:a/b"', "is no room"),
        ('[[room]]\naddress = "slack:T1/C9"', "slack is not set up; add a table [slack]"),
        ('[[room]]\naddress = "messenger:line/x"', "no messenger line"),
        ('[[room]]\naddress = "web:ops"\nlanguage = "jp"', "'jp' is not spoken here"),
        ('[[room]]\naddress = "web:ops"\nwebhook_url = "https://x"', "is for messenger rooms only"),
        ('[[room]]\naddress = "web:ops"\ncards = "yes"', "expected true or false, found a text"),
        ('[model]\nurl = "127.0.0.1:11434"', "[model]: url is no web address"),
        ('[model]\nurl = "ftp://127.0.0.1/v1"', "[model]: url is no web address"),
        ('[model]\nurl = "http://"', "[model]: url is no web address"),
        ('[model]\nurl = "http://[::1/v1"', "[model]: "),
        ('[model]\nurl = "http://h:99999/v1"', "[model]: "),
        ('[model]\nurl = "http://u:p@h/v1"', "[model]: url has a user, ? or # in it"),
        ('[model]\nurl = "http://h/v1?x=1"', "[model]: url has a user, ? or # in it"),
        ('[model]\nurl = "http://h/v 1"', "[model]: url holds characters"),
        ('[model]\napi_key = "a\\nb"', "[model]: api_key holds characters"),
        ('[model]\nallow_remote_server = "yes"', "yes, send our messages to this server"),
        ("[model]\nallow_remote_server = true", "expected a text, found true or false"),
    ],
)
def test_each_mistake_has_its_place_and_mend(
    problems: Problems, tmp_path: Path, text: str, problem: str
) -> None:
    (tmp_path / "known_hosts").write_text("")
    found = problems(f"{text}\n{MINIMAL}")
    assert any(problem in line for line in found), found
    assert all(line.startswith("config.toml: ") for line in found)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            '[[person]]\nname = "Min"\nrole = "ADMIN"\n[[person]]\nname = "min"\nrole = "AGENT"\n',
            "the name min is taken by [[person]] Min",
        ),
        (
            SLACK + '[[person]]\nname = "A"\nrole = "ADMIN"\nslack = "T1/U1"\n'
            '[[person]]\nname = "B"\nrole = "ADMIN"\nslack = "T1/U1"\n',
            "the account slack/T1/U1 is taken by [[person]] A",
        ),
        (
            '[[room]]\naddress = "web:ops"\n[[room]]\naddress = "web:ops"\n',
            "the address web:ops is taken by [[room]] web:ops",
        ),
    ],
)
def test_nobody_and_no_room_is_listed_twice(problems: Problems, text: str, problem: str) -> None:
    (line,) = problems(MINIMAL + text)
    assert problem in line


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"[web\n", "not TOML"),
        (b"\xff\xfe", "not UTF-8"),
        (b"a = 1\na = 2\n", "not TOML"),
    ],
)
def test_a_file_that_is_not_toml_is_told(tmp_path: Path, content: bytes, problem: str) -> None:
    path = tmp_path / "config.toml"
    path.write_bytes(content)
    with pytest.raises(SettingsError, match=problem):
        load_settings(path, {})


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"no such file; copy config\.example\.toml"):
        load_settings(tmp_path / "config.toml", {})
    with pytest.raises(SettingsError, match="cannot be read"):
        load_settings(tmp_path, {})


def every_class() -> list[type]:
    return [*SECTIONS.values(), *OPTIONAL.values(), MessengerSource, PersonEntry, RoomEntry]


@pytest.mark.parametrize("cls", every_class(), ids=lambda cls: cls.__name__)
def test_every_setting_is_of_a_type_that_can_be_read(cls: type, tmp_path: Path) -> None:
    """A value of the wrong kind must be a problem for each field, never a crash."""
    source = Source(tmp_path / "config.toml", {})
    names = [field.name for field in dataclasses.fields(typing.cast(typing.Any, cls))]
    wrong = {name: {"not": ["a", "setting"]} for name in names}
    assert read(cls, wrong, "[x]", source) is None
    assert len(source.problems) == len(names)


def test_one_number_may_be_zero_where_zero_is_the_default(tmp_path: Path) -> None:
    @dataclasses.dataclass(frozen=True)
    class Numbers:
        retries: int = 0
        seconds: float = 1.5

    source = Source(tmp_path / "config.toml", {})
    assert read(Numbers, {"retries": 0, "seconds": 2}, "[n]", source) == Numbers(0, 2.0)
    assert read(Numbers, {"retries": -1}, "[n]", source) is None
    assert read(Numbers, {"seconds": 0}, "[n]", source) is None
    assert len(source.problems) == 2
